/** Manifests of small applications, for rscheck matrix. */
import process from 'node:process';
import {type Manifest} from '../../../cli/control/check/manifest.js';

/** Echoes. */
const server = 'require("node:net").createServer(socket => socket.pipe(socket)).listen(Number(process.argv[1]), "127.0.0.1")';

/** Sends a byte and waits for it, `count` times. */
export function talk(count: number): string {
	return `let left = ${count};
const socket = require("node:net").connect(Number(process.argv[1]), "127.0.0.1", () => socket.write("x"));
socket.on("data", () => {
	if (--left > 0) return socket.write("x");
	console.log("done");
	socket.end();
});`;
}

type Change = Partial<Manifest> & {
	/** JavaScript; argv[1] is the port. */
	readonly client?: string;
};

export function tinyApp({client = talk(50), ...change}: Change = {}): Manifest {
	return {
		name: 'tiny', about: 'an echo', packages: {}, start: [{run: [process.execPath, '-e', server, '{port}'], ready: {port: 'port'}}],
		exercise: [{name: 'talk', run: [process.execPath, '-e', client, '{port}']}], verify: {talk: '.'}, promotes: 2, ...change,
	};
}
