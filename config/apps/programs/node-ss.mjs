/* eslint-disable no-await-in-loop -- one after the other is the point */
/** A conversation, and what ss then says about both ends of its connection. */
import {execFileSync} from 'node:child_process';
import {once} from 'node:events';
import net from 'node:net';
import process from 'node:process';
import {setTimeout} from 'node:timers/promises';

const port = process.argv[2];
const socket = net.connect(Number(port), '127.0.0.1');
let answers = 0;
for (; answers < 100; answers++) {
	socket.write('x');
	await once(socket, 'data');
}

console.log(`${answers} answers`);
// The kernel acknowledges the last bytes in its own time.
for (let tries = 200; tries > 0; tries--) {
	const table = execFileSync('ss', ['-Htnp', `( sport = :${port} or dport = :${port} )`], {encoding: 'utf8'});
	const lines = table.trim().split('\n').map(line => [...line.split(/\s+/).slice(0, 3), /\("([^"]+)"/.exec(line)?.[1]].join(' '));
	if (tries === 1 || lines.every(line => line.includes(' 0 0 '))) {
		console.log(lines.join('\n'));
		break;
	}

	await setTimeout(20);
}

socket.destroy();
