import {once} from 'node:events';
import {readFileSync} from 'node:fs';
import {createServer, type AddressInfo} from 'node:net';
import process from 'node:process';
import test from 'ava';
import {freePort, isListening, readTcpTable} from '../../../../cli/control/check/ports.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

test('a free port can be listened on, and no connection may have taken it meanwhile', async t => {
	const first = Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10);
	const ports = await Promise.all(Array.from({length: 20}, async () => freePort()));
	t.true(ports.every(port => port >= 10_000 && port < Math.min(first, 32_768)));
	const server = createServer().listen(ports[0], '0.0.0.0');
	t.teardown(() => server.close());
	await once(server, 'listening');
	t.true(isListening(ports[0]!));
});

test('who listens is seen in both families, and not after the end', async t => {
	for (const host of ['127.0.0.1', '::1']) {
		const server = createServer().listen(0, host);
		await once(server, 'listening');
		const {port} = server.address() as AddressInfo;
		t.true(isListening(port), `${host}`);
		t.is(readTcpTable().find(row => row.isListening && row.localPort === port)?.uid, process.getuid?.());
		server.close();
		await once(server, 'close');
		t.false(isListening(port), `${host}`);
	}
});

test('rows of the kernel\'s tables', t => {
	const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
	const directory = makeTemporaryDirectory(t);
	writeTemporaryFile(directory, 'tcp', `${head}   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 100 1 0000000000000000\n   1: 0100007F:0050 0200007F:FFFF 01 00000000:00000000 00:00000000 00000000     0        0 0 1\n`);
	writeTemporaryFile(directory, 'tcp6', `${head}   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 102 1\n`);
	t.deepEqual(readTcpTable(directory), [
		{local: '0100007F', localPort: 80, peer: '00000000', peerPort: 0, isListening: true, uid: 33, inode: 100},
		{local: '0100007F', localPort: 80, peer: '0200007F', peerPort: 65_535, isListening: false, uid: 0, inode: 0},
		{local: '00000000000000000000000001000000', localPort: 8080, peer: '0'.repeat(32), peerPort: 0, isListening: true, uid: 1000, inode: 102},
	]);
});

test('a kernel without IPv6, or none of both', t => {
	const directory = makeTemporaryDirectory(t);
	writeTemporaryFile(directory, 'tcp', 'head\n');
	t.deepEqual(readTcpTable(directory), []);
	t.deepEqual(readTcpTable('/nowhere'), []);
});
