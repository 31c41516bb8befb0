import {type Buffer} from 'node:buffer';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import process from 'node:process';
import test from 'ava';
import {findHolders, findListeningPort} from '../../../../cli/control/check/find-owner.js';
import {isListening, freePort, readTcpTable} from '../../../../cli/control/check/ports.js';

test('a listening port and its process are found without connecting', async t => {
	// In a process of its own: other tests listen in this one.
	const child = spawn(process.execPath, ['-e', 'const server = require("node:net").createServer().listen(0, "127.0.0.1", () => console.log(server.address().port));']);
	t.teardown(() => child.kill('SIGKILL'));
	const [line] = await once(child.stdout, 'data') as [Buffer];
	const port = Number(line.toString());
	const row = readTcpTable().find(({localPort, isListening: listens}) => listens && localPort === port);
	t.true(isListening(port));
	t.is(findListeningPort([child.pid ?? 0]), port);
	t.deepEqual(findHolders(row?.inode ?? 0), [child.pid ?? 0]);
	child.kill('SIGKILL');
	await once(child, 'close');
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
