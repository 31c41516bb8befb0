/** Programs that talk over TCP for as long as a test looks at them. */
import {spawn, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import process from 'node:process';
import {setTimeout} from 'node:timers/promises';
import type {ExecutionContext} from 'ava';
import {preloadLibrary} from '../../../cli/native.js';

/** A server that echoes; it prints its port. With PEER=self it also is its own client, with PEER=PORT only a client; 200 times a second. */
const program = `
const net = require('node:net');
const talk = port => {
	const socket = net.connect(port, '127.0.0.1', () => setInterval(() => socket.write('ping'), 5));
	socket.on('data', () => {}).on('error', () => process.exit(3));
	console.log(port);
};
const {PEER} = process.env;
if (PEER && PEER !== 'self') talk(Number(PEER));
else {
	const server = net.createServer(socket => socket.pipe(socket).on('error', () => socket.destroy()));
	server.listen(0, '127.0.0.1', () => PEER ? talk(server.address().port) : console.log(server.address().port));
}`;

export const underToolkit = {LD_PRELOAD: preloadLibrary, RSOCKET_SET: 'promote_after_calls=1'};

export type Talker = {readonly child: ChildProcess; readonly pid: number; readonly port: number};

/** Killed with its test. */
export async function startTalker(t: ExecutionContext, env: Readonly<Record<string, string>> = {}, shell = 'exec "$0" "$@"'): Promise<Talker> {
	const child = spawn('/bin/sh', ['-c', shell, process.execPath, '-e', program], {stdio: ['ignore', 'pipe', 'inherit'], env: {PATH: process.env['PATH'], RSOCKET_CONFIG_DIR: '/nowhere', ...env}});
	t.teardown(() => {
		child.kill('SIGKILL');
	});
	const [line] = await once(child.stdout, 'data') as [Uint8Array];
	return {child, pid: child.pid!, port: Number(line.toString())};
}

/** Looks again until `look` finds something; ava's timeout is the limit. */
export async function until<Result>(look: () => Result | undefined | Promise<Result | undefined>): Promise<Result> {
	for (;;) {
		const result = await look();
		if (result !== undefined) {
			return result;
		}

		await setTimeout(20);
	}
}
