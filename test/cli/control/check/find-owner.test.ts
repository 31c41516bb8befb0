import {once} from 'node:events';
import {createServer, type AddressInfo} from 'node:net';
import process from 'node:process';
import test from 'ava';
import {findHolders, findListeningPort} from '../../../../cli/control/check/find-owner.js';
import {isListening, freePort, readTcpTable} from '../../../../cli/control/check/ports.js';

test('a listening port and its process are found without connecting', async t => {
	const server = createServer().listen(0, '127.0.0.1');
	await once(server, 'listening');
	const {port} = server.address() as AddressInfo;
	const row = readTcpTable().find(({localPort, isListening: listens}) => listens && localPort === port);
	t.true(isListening(port));
	t.is(findListeningPort([process.pid]), port);
	t.true(findHolders(row?.inode ?? 0).includes(process.pid));
	server.close();
	await once(server, 'close');
	t.false(isListening(port));
});

test('nobody of no family listens', t => {
	t.is(findListeningPort([]), undefined);
	t.is(findListeningPort([999_999_999]), undefined);
	t.deepEqual(findHolders(0), []);
});

test('free ports', async t => {
	t.false(isListening(await freePort()));
	t.deepEqual(readTcpTable('/nowhere'), []);
});
