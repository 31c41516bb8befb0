/** How sockets and servers are made: as with `net`. */
import {normalizeConnect, type ConnectArguments, type ServerOptions} from './options.js';
import {Server} from './server.js';
import {Socket} from './socket.js';

/**
Connects: `net.createConnection` over an rsocket. Takes `(options, listener?)`, `(port, listener?)` or `(port, host, listener?)`.

Throws a RangeError for a wrong port, and a CliError where librsocket.so is missing; all else is an `error` event.

@example
```
import {pipeline} from 'node:stream/promises';

const socket = rsocket.createConnection(7000, '127.0.0.1', () => socket.end('hello'));
await pipeline(socket, process.stdout);
```
*/
export function createConnection(...args: ConnectArguments): Socket {
	const {options, listener} = normalizeConnect(args);
	return new Socket(options).connect(options, listener);
}

/**
Makes a server that does not listen yet: `net.createServer` over rsockets.

@example
```
const server = rsocket.createServer({noDelay: true}, async socket => {
	for await (const chunk of socket) {
		socket.write(chunk);
	}
});
server.listen({port: 7000, host: '127.0.0.1'});
```
*/
export function createServer(...args: [options?: ServerOptions, listener?: (socket: Socket) => void] | [listener: (socket: Socket) => void]): Server {
	const [first, second] = args;
	return typeof first === 'function' ? new Server({}, first) : new Server(first, second);
}
