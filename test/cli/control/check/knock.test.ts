import {once} from 'node:events';
import {createServer, type AddressInfo} from 'node:net';
import test from 'ava';
import {knock, parseTarget} from '../../../../cli/control/check/knock.js';
import {freePort} from '../../../../cli/control/check/ports.js';

for (const [text, host, port] of [
	['localhost:80', 'localhost', 80], ['10.0.0.5:1', '10.0.0.5', 1], ['[::1]:65535', '::1', 65_535], [':6379', '127.0.0.1', 6379], ['6379', '127.0.0.1', 6379], ['[fe80::1%eth0]:9', 'fe80::1%eth0', 9],
] as const) {
	test(`${text} is a target`, t => {
		t.deepEqual(parseTarget(text), {host, port});
	});
}

for (const text of ['', 'host', 'host:', 'host:0', 'host:65536', 'host:1x', '::1:80', '[::1]', 'a b:80', 'host:-1', 'http://host:80']) {
	test(`"${text}" is none`, t => {
		t.throws(() => parseTarget(text), {name: 'CliError', message: /not of the form/});
	});
}

test('nothing is sent', async t => {
	const server = createServer().listen(0, '127.0.0.1');
	await once(server, 'listening');
	const {port} = server.address() as AddressInfo;
	const received = new Promise<string>(resolve => {
		server.once('connection', socket => {
			let text = '';
			socket.on('data', bytes => {
				text += bytes.toString();
			}).once('close', () => {
				resolve(text);
			}).resume();
		});
	});
	const ends = await knock({host: '127.0.0.1', port}, 5000, async seen => seen);
	t.like(ends, {local: '127.0.0.1', peer: '127.0.0.1', peerPort: port});
	t.is(await received, '');
	server.close();
});

test('nobody there', async t => {
	const error = await t.throwsAsync(knock({host: '127.0.0.1', port: await freePort()}, 5000, async () => 0), {name: 'CliError', message: /nobody listens there/});
	t.truthy(error);
	await t.throwsAsync(knock({host: 'no-such-host.invalid', port: 1}, 5000, async () => 0), {message: /cannot be reached/});
	await t.throwsAsync(knock({host: '127.0.0.1', port: 1}, 0, async () => 0), {message: /cannot be reached/});
});
