/** Rsrun and the library together: what a report says of a program that really exchanges bytes. */
import {readFileSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test, {type ExecutionContext} from 'ava';
import {rsrun, runRsrun} from './helpers/run-rsrun.js';
import {makeTemporaryDirectory, writeTemporaryFile} from './helpers/temporary-directory.js';

const messageSize = 64;
const rounds = 500;

/** Both ends in one process, on one thread: `rounds` messages there and back. */
const pingPong = `
	const net = require('node:net');
	const size = ${messageSize};
	const server = net.createServer(socket => socket.pipe(socket)).listen(0, '127.0.0.1', () => {
		let rounds = 0, received = 0;
		const client = net.connect(server.address().port, '127.0.0.1', () => client.write(Buffer.alloc(size, 1)));
		client.on('data', data => {
			received += data.length;
			if (received < size) return;
			received = 0;
			if (++rounds === ${rounds}) { client.end(); server.close(); return; }
			client.write(Buffer.alloc(size, 1));
		});
	});
`;

type Direction = {readonly transport: string; readonly bytes: number; readonly shmBytes: number};
type Report = {
	readonly summary: {readonly connections: number; readonly promoted: number};
	readonly connections: ReadonlyArray<{
		readonly send: Direction;
		readonly recv: Direction;
		readonly reason: string;
		readonly role: string;
		readonly isPromoted: boolean;
		readonly isClosed: boolean;
		readonly local: string;
		readonly peer: string;
	}>;
};

async function report(t: ExecutionContext, args: readonly string[], command: readonly string[]): Promise<Report> {
	const file = path.join(makeTemporaryDirectory(t), 'report');
	const {code, stderr} = await runRsrun([...args, `--report=json:${file}`, '--', ...command]);
	t.is(stderr, '');
	t.is(code, 0);
	return JSON.parse(readFileSync(file, 'utf8')) as Report;
}

test('both ends are promoted, and every byte is counted once', async t => {
	const {summary, connections} = await report(t, [], [process.execPath, '-e', pingPong]);
	t.is(summary.connections, 2);
	t.is(summary.promoted, 2);
	t.deepEqual(connections.map(({role}) => role).toSorted(), ['accepted', 'connected']);
	t.is(connections[0]?.local, connections[1]?.peer);
	for (const {send, recv, reason, isClosed} of connections) {
		t.is(reason, 'promoted');
		t.true(isClosed);
		for (const {transport, bytes, shmBytes} of [send, recv]) {
			t.is(transport, 'shm');
			t.is(bytes, messageSize * rounds);
			t.true(shmBytes > bytes / 2 && shmBytes < bytes);
		}
	}
});

test('--transport tcp leaves everything on TCP and says why', async t => {
	const {summary, connections} = await report(t, ['--transport', 'tcp'], [process.execPath, '-e', pingPong]);
	t.is(summary.promoted, 0);
	for (const {send, recv, reason} of connections) {
		t.is(reason, 'setting');
		t.deepEqual([send.transport, recv.transport, send.shmBytes + recv.shmBytes], ['tcp', 'tcp', 0]);
	}
});

test('one end alone stays on TCP', async t => {
	const file = path.join(makeTemporaryDirectory(t), 'report');
	const client = `
		const net = require('node:net');
		const {spawn} = require('node:child_process');
		const server = net.createServer(socket => socket.pipe(socket)).listen(0, '127.0.0.1', () => {
			const script = ${JSON.stringify('const socket = require("node:net").connect(+process.argv[1], "127.0.0.1"); let n = 0; socket.on("connect", () => socket.write("x")); socket.on("data", () => { if (++n === 500) socket.end(); else socket.write("x"); });')};
			spawn(process.argv[1], ['--set', 'promote_tries=2', '--report=json:' + process.argv[2], '--', process.execPath, '-e', script, String(server.address().port)], {stdio: 'inherit'}).on('exit', code => { process.exitCode = code; server.close(); });
		});
	`;
	const {code} = await runRsrun(['-e', client, rsrun, file], {file: process.execPath});
	t.is(code, 0);
	const {summary, connections} = JSON.parse(readFileSync(file, 'utf8')) as Report;
	t.deepEqual([summary.connections, summary.promoted], [1, 0]);
	t.is(connections[0]?.reason, 'peer-absent');
	t.is(connections[0]?.send.bytes, 500);
});

test('a malformed setting file is complained about, once for all that a program starts, and ignored', async t => {
	const directory = makeTemporaryDirectory(t);
	writeTemporaryFile(directory, 'polling_time', 'soon\n', 0o644);
	writeTemporaryFile(directory, 'ring_size', '4096\n', 0o644);
	const {code, stderr} = await runRsrun(['--config-dir', directory, '--log-level', 'warn', '--', 'sh', '-c', '/bin/true; /bin/true']);
	t.is(code, 0);
	t.is(stderr.split('polling_time is a number from 0 to 1000000').length, 2);
	t.false(stderr.includes('ring_size'));
});
