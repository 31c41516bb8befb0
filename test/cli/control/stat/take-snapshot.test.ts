import {symlinkSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {formatNs, takeSnapshot} from '../../../../cli/control/stat/take-snapshot.js';
import {loadNative} from '../../../../cli/native.js';
import {addProcess, makeArea} from '../../helpers/make-area.js';
import {makeTemporaryDirectory} from '../../helpers/temporary-directory.js';

const native = loadNative();
const promoted = native.reasons().findIndex(({code}) => code === 'promoted');
const localhost = Uint8Array.of(127, 0, 0, 1);
const ends = {localAddr: localhost, peerAddr: localhost};

test('connections in the order of processes and descriptors, with what they sum up to', t => {
	const root = makeTemporaryDirectory(t);
	const open = {recvBytes: 10, sendBytes: 20, recvCalls: 1, sendCalls: 2, shmRecvBytes: 5, shmSendBytes: 6, sleeps: 3, spins: 4};
	addProcess(root, 20, {area: {bytes: makeArea({
		pid: 20, program: 'server', startedNs: 1_700_000_000_000_000_000n, dropped: 1, ended: {connections: 5, promoted: 4}, records: [
			{fd: 9, ...ends, localPort: 80, peerPort: 5000, ...open, promotedNs: 1n, reason: promoted, sendTransport: 1, recvTransport: 1},
			{fd: 7, ...ends, localPort: 80, peerPort: 5001, ...open, sendTransport: 1},
		],
	}), inode: 1}});
	addProcess(root, 3, {area: {bytes: makeArea({pid: 3, records: [{...ends, localPort: 1, peerPort: 2}]}), inode: 2}});
	const {processes, connections, unreadable} = takeSnapshot(native, {root});
	t.deepEqual(unreadable, []);
	t.deepEqual(connections.map(({pid, fd, transport}) => [pid, fd, transport]), [[3, 3, 'tcp'], [20, 7, 'shm/tcp'], [20, 9, 'shm']]);
	t.like(connections[2], {local: '127.0.0.1:80', peer: '127.0.0.1:5000', reason: 'promoted', isPromoted: true, state: '-'});
	t.deepEqual(processes.map(({pid}) => pid), [3, 20]);
	t.like(processes[1], {
		program: 'server', since: '2023-11-14T22:13:20.000Z', dropped: 1, ended: {connections: 5, promoted: 4},
		open: {connections: 2, promoted: 1, recvBytes: 20, sendBytes: 40, recvCalls: 2, sendCalls: 4, shmRecvBytes: 10, shmSendBytes: 12, sleeps: 6, spins: 8},
	});
	t.deepEqual(takeSnapshot(native, {root, pids: [3]}).processes.map(({pid}) => pid), [3]);
});

test('what is closed, or whose holder was killed, is not open', t => {
	const root = makeTemporaryDirectory(t);
	addProcess(root, 7, {area: {bytes: makeArea({pid: 7, records: [{fd: 3}, {fd: 4, state: 2}, {fd: 5, pid: 6}]}), inode: 1}});
	const {connections, processes} = takeSnapshot(native, {root});
	t.deepEqual(connections.map(({fd}) => fd), [3]);
	t.is(processes[0]?.open.connections, 1);
});

test('a connection in a container has the pid that its holder has here', t => {
	const root = makeTemporaryDirectory(t);
	const area = {bytes: makeArea({pid: 1, records: [{fd: 3}, {fd: 4, pid: 2}]}), inode: 1};
	addProcess(root, 70, {area, pids: [70, 1]});
	addProcess(root, 71, {area, pids: [71, 2]});
	t.deepEqual(takeSnapshot(native, {root}).connections.map(({pid, fd}) => [pid, fd]), [[70, 3], [71, 4]]);
});

test('of a young connection the kernel tells the ends', t => {
	const root = makeTemporaryDirectory(t);
	addProcess(root, 7, {area: {bytes: makeArea({pid: 7, records: [{fd: 3}, {fd: 4}]}), inode: 1}});
	symlinkSync('net-of-7', path.join(root, '7', 'net'));
	symlinkSync('socket:[55]', path.join(root, '7', 'fd', '3'));
	symlinkSync(path.join(root, '7'), path.join(root, '7', 'net-of-7'));
	writeFileSync(path.join(root, '7', 'tcp'), 'head\n   0: 0100007F:0050 0200007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 55 1\n');
	const {connections} = takeSnapshot(native, {root});
	t.like(connections[0], {local: '127.0.0.1:80', peer: '127.0.0.2:8080', state: 'ESTAB'});
	t.like(connections[1], {local: '-', peer: '-', state: '-'});
});

test('a reason and a transport of a newer version', t => {
	const root = makeTemporaryDirectory(t);
	addProcess(root, 7, {area: {bytes: makeArea({pid: 7, records: [{reason: 9999, sendTransport: 77, recvTransport: 77}]}), inode: 1}});
	t.like(takeSnapshot(native, {root}).connections[0], {reason: 'reason 9999', transport: 'unknown'});
});

test('a clock that was set back makes no negative age', t => {
	const root = makeTemporaryDirectory(t);
	const later = BigInt(Date.now() + 3_600_000) * 1_000_000n;
	addProcess(root, 7, {area: {bytes: makeArea({pid: 7, records: [{openedNs: later}]}), inode: 1}});
	const [connection] = takeSnapshot(native, {root}).connections;
	t.is(connection?.ageSeconds, 0);
	t.is(connection?.openedNs, String(later));
});

test('who may not be looked into is named', t => {
	const root = makeTemporaryDirectory(t);
	addProcess(root, 7, {area: {inode: 1, hasName: true}});
	t.like(takeSnapshot(native, {root}), {processes: [], connections: [], unreadable: [7]});
});

test('nanoseconds become milliseconds, towards the past', t => {
	t.is(formatNs(1_700_000_000_999_999_999n), '2023-11-14T22:13:20.999Z');
	t.is(formatNs(0n), '1970-01-01T00:00:00.000Z');
});
