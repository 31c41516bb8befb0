import {Buffer} from 'node:buffer';
import {closeSync, mkdirSync, openSync, symlinkSync, writeSync} from 'node:fs';
import path from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {toRaw} from '../../../../cli/control/raw.js';
import {readAreas, readTraceBytes} from '../../../../cli/control/stat/read-area.js';
import {loadNative, type ConnectionRecord, type Native} from '../../../../cli/native.js';
import {addProcess, endedOffset, makeArea, makeRecord, makeTrace} from '../../helpers/make-area.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

const native = loadNative();
const headSize = 256;
const areaAddress = 4096;

function poke(file: string, offset: number, bytes: Uint8Array): void {
	const fd = openSync(file, 'r+');
	writeSync(fd, bytes, 0, bytes.length, offset);
	closeSync(fd);
}

/** A report with these connections. */
function makeReport(file: string, records: ReadonlyArray<Partial<ConnectionRecord>>): void {
	native.statsCreate(toRaw(file), 16);
	poke(file, 20, Uint8Array.of(records.length));
	poke(file, headSize, Buffer.concat(records.map(record => makeRecord(record))));
}

test('the head and the records in use of each process', t => {
	const root = makeTemporaryDirectory(t);
	addProcess(root, 5);
	addProcess(root, 7, {area: {bytes: makeArea({pid: 7, program: 'server', dropped: 2, ended: {connections: 3}, records: [{fd: 4}, {state: 0}, {fd: 6, state: 2}]}), inode: 70, hasName: true}});
	addProcess(root, 8, {area: {bytes: makeArea({pid: 8, program: 'client'}), inode: 80}});
	const {areas, unreadable} = readAreas(native, undefined, root);
	t.deepEqual(unreadable, []);
	t.deepEqual(areas.map(({pid, head, records}) => [pid, head.program, head.dropped, head.ended.connections, records.map(({fd}) => fd)]), [[7, 'server', 2, 3, [4, 6]], [8, 'client', 0, 0, []]]);
	t.deepEqual(readAreas(native, [8, 5], root).areas.map(({pid}) => pid), [8]);
	t.deepEqual(readAreas(native, [99], root), {areas: [], unreadable: []});
});

test('an area that forked children share is read once, and is its maker\'s', t => {
	const root = makeTemporaryDirectory(t);
	const area = {bytes: makeArea({pid: 2, records: [{}]}), inode: 70, hasName: true};
	addProcess(root, 7, {area, pids: [7, 3]});
	addProcess(root, 8, {area, pids: [8, 2]});
	const {areas} = readAreas(native, undefined, root);
	t.is(areas.length, 1);
	t.is(areas[0]?.pid, 8);
	t.deepEqual(areas[0]?.members.map(({pid, ownPid}) => [pid, ownPid]), [[7, 3], [8, 2]]);
	// Its maker has ended: it is called as it called itself.
	t.is(readAreas(native, [7], root).areas[0]?.pid, 2);
});

test('one member that may be read is enough', t => {
	const root = makeTemporaryDirectory(t);
	addProcess(root, 7, {area: {inode: 70, hasName: true}});
	addProcess(root, 8, {area: {bytes: makeArea({pid: 7}), inode: 70, hasName: true}});
	const {areas, unreadable} = readAreas(native, undefined, root);
	t.deepEqual(unreadable, []);
	t.deepEqual(areas.map(({pid}) => pid), [7]);
});

test('what may not be read is told only where its name says what it is', t => {
	const root = makeTemporaryDirectory(t);
	addProcess(root, 7, {area: {inode: 70, hasName: true}});
	addProcess(root, 8, {area: {inode: 80}});
	addProcess(root, 9, {area: {bytes: Buffer.from('somebody else\'s memory'), inode: 90}});
	addProcess(root, 10, {area: {bytes: makeArea({pid: 10, version: 2}), inode: 100, hasName: true}});
	t.deepEqual(readAreas(native, undefined, root), {areas: [], unreadable: [10, 7]});
});

/** The addon, with somebody who changes the sum of ended connections during the first `changes` looks. */
function restless(memory: string, changes: number): Native & {looks: number} {
	const busy = {
		...native, looks: 0,
		areaRecords(bytes: Uint8Array) {
			busy.looks++;
			if (busy.looks <= changes) {
				poke(memory, areaAddress + endedOffset, Uint8Array.of(busy.looks));
			}

			return native.areaRecords(bytes);
		},
	};
	return busy;
}

test('a connection that ends meanwhile is looked at again, but not for ever', t => {
	const root = makeTemporaryDirectory(t);
	const memory = addProcess(root, 7, {area: {bytes: makeArea({pid: 7, records: [{}]}), inode: 70}});
	const look = (changes: number) => {
		poke(memory, areaAddress + endedOffset, Uint8Array.of(0));
		const busy = restless(memory, changes);
		const [area] = readAreas(busy, undefined, root).areas;
		return [busy.looks, area?.head.ended.connections, area?.records.length];
	};

	t.deepEqual(look(0), [1, 0, 1]);
	t.deepEqual(look(1), [2, 1, 1]);
	t.deepEqual(look(2), [3, 2, 1]);
	t.deepEqual(look(100), [3, 2, 1]);
});

function makeRun(t: ExecutionContext, report: string): string {
	const root = makeTemporaryDirectory(t);
	for (const pid of [7, 8]) {
		addProcess(root, pid, {area: {bytes: makeArea({pid, report}), inode: pid * 10}});
		mkdirSync(path.join(root, String(pid), 'root'));
		symlinkSync('root', path.join(root, String(pid), 'cwd'));
		makeReport(path.join(root, String(pid), 'root', 'report'), [{pid, fd: 9}]);
	}

	return root;
}

test('the records of a process under --report are in its file, under its own root and directory', t => {
	for (const report of ['/report', 'report']) {
		t.deepEqual(readAreas(native, undefined, makeRun(t, report)).areas.map(({pid, records}) => [pid, records.map(record => [record.pid, record.fd])]), [[7, [[7, 9]]], [8, [[8, 9]]]]);
	}
});

test('a report that is gone, or none, leaves the area without records', t => {
	const root = makeRun(t, '/none');
	t.deepEqual(readAreas(native, undefined, root).areas.map(({records}) => records), [[], []]);
	const broken = makeRun(t, '/report');
	poke(path.join(broken, '7', 'root', 'report'), 0, Buffer.from('nothing'));
	t.deepEqual(readAreas(native, undefined, broken).areas.map(({records}) => records.length), [0, 1]);
});

test('a report that two processes share is read once', t => {
	const root = makeTemporaryDirectory(t);
	const report = path.join(root, 'report');
	makeReport(report, [{pid: 7}, {pid: 8}]);
	for (const pid of [7, 8]) {
		addProcess(root, pid, {area: {bytes: makeArea({pid, report}), inode: pid * 10}});
		symlinkSync('/', path.join(root, String(pid), 'root'));
	}

	let reads = 0;
	const counting = {...native, statsRead(file: Parameters<Native['statsRead']>[0], capacity: number) {
		reads++;
		return native.statsRead(file, capacity);
	}};
	t.deepEqual(readAreas(counting, undefined, root).areas.map(({records}) => records.map(({pid}) => pid)), [[7, 8], [7, 8]]);
	t.is(reads, 1);
});

test('the trace of each area of a process, in it or in a file of its own', t => {
	const root = makeTemporaryDirectory(t);
	addProcess(root, 7, {area: {bytes: makeArea({pid: 7, events: [{}, {}]}), inode: 70}});
	addProcess(root, 8, {area: {bytes: makeArea({pid: 8, trace: '/trace'}), inode: 80}});
	addProcess(root, 9, {area: {bytes: makeArea({pid: 9, trace: '/none'}), inode: 90}});
	mkdirSync(path.join(root, '8', 'root'));
	writeTemporaryFile(path.join(root, '8', 'root'), 'trace', makeTrace({pid: 8, events: [{}]}));
	const totals = (pid: number) => readTraceBytes(pid, native, root).map(bytes => native.traceRead(bytes)?.total);
	t.deepEqual(totals(7), [2]);
	t.deepEqual(totals(8), [1]);
	t.deepEqual(totals(9), []);
	t.deepEqual(totals(10), []);
});
