import {Buffer} from 'node:buffer';
import {symlinkSync, unlinkSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import {findAreas, identify, listPids, readLink, readText, withArea} from '../../../../cli/control/stat/read-process.js';
import {loadNative} from '../../../../cli/native.js';
import {addProcess, makeArea} from '../../helpers/make-area.js';
import {startPromoted} from '../../helpers/stat.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

const {statsLayout} = loadNative();
const whole = statsLayout.areaSize.toString(16).padStart(8, '0');
const almost = (statsLayout.areaSize - 1).toString(16).padStart(8, '0');

test('the processes of this system, this one among them', t => {
	const pids = listPids();
	t.true(pids.includes(process.pid));
	t.true(pids.every(pid => Number.isSafeInteger(pid) && pid > 0));
});

test('which mappings may be areas', t => {
	const root = makeTemporaryDirectory(t);
	addProcess(root, 7);
	const find = (line: string) => {
		writeTemporaryFile(path.join(root, '7'), 'maps', `${line}\n`);
		return findAreas(7, statsLayout, root);
	};

	const area = {key: '00:01:914160', address: 0n, inode: 914_160, hasName: true};
	t.deepEqual(find(`00000000-${whole} rw-s 00000000 00:01 914160    /memfd:rsocket-stats (deleted)`), [area]);
	t.deepEqual(find(`00000000-${whole} rw-s 00000000 00:01 914160    /dev/zero (deleted)`), [{...area, hasName: false}]);
	t.deepEqual(find('7ffffff00000-7ffffffff000 rw-s 00000000 00:01 1    /memfd:rsocket-stats (deleted)'), []);
	t.is(find('ffffffff0000-ffffffffff0000 rw-s 00000000 00:01 1    /dev/zero (deleted)')[0]?.address, 0xFF_FF_FF_FF_00_00n);
	for (const line of [
		`00000000-${almost} rw-s 00000000 00:01 914160    /memfd:rsocket-stats (deleted)`,
		`00000000-${whole} rw-p 00000000 00:01 914160    /memfd:rsocket-stats (deleted)`,
		`00000000-${whole} r--s 00000000 00:01 914160    /memfd:rsocket-stats (deleted)`,
		`00000000-${whole} rw-s 00001000 00:01 914160    /memfd:rsocket-stats (deleted)`,
		`00000000-${whole} rw-s 00000000 00:01 914160    /memfd:rsocket-statsx (deleted)`,
		`00000000-${whole} rw-s 00000000 08:01 914160    /tmp/memfd:rsocket-stats (deleted)`,
		`00000000-${whole} rw-s 00000000 00:05 12    /dev/zero`,
		'', 'nonsense',
	]) {
		t.deepEqual(find(line), [], `${line}`);
	}
});

test('a process that has ended has none', t => {
	t.deepEqual(findAreas(4_194_304, statsLayout), []);
	t.deepEqual(identify(4_194_304), {pid: 4_194_304, ownPid: 4_194_304, pidNamespace: ''});
});

test('the pid that a process of a container takes for its own', t => {
	const root = makeTemporaryDirectory(t);
	addProcess(root, 7, {pids: [7, 3, 1]});
	t.deepEqual(identify(7, root), {pid: 7, ownPid: 1, pidNamespace: 'pid:[1]'});
	addProcess(root, 8);
	t.is(identify(8, root).ownPid, 8);
	const own = identify(process.pid);
	t.is(own.ownPid, process.pid);
	t.regex(own.pidNamespace, /^pid:\[\d+]$/);
});

test('the bytes of a living process, by its descriptor and by its memory', async t => {
	const {pid} = await startPromoted(t);
	const [mapping] = findAreas(pid, statsLayout);
	t.true(mapping?.hasName);
	const read = (hasName: boolean) => withArea(pid, {...mapping!, hasName}, memory => memory.read(0, 8).toString('latin1'));
	t.is(read(true), 'ROSAREA1');
	t.is(read(false), 'ROSAREA1');
});

test('a descriptor that is another file by now is not taken for the area', t => {
	const root = makeTemporaryDirectory(t);
	addProcess(root, 7, {area: {bytes: makeArea({pid: 7}), inode: 5, hasName: true}});
	const other = writeTemporaryFile(root, 'other', 'another file');
	symlinkSync(other, path.join(root, '7', 'fd', '9'));
	symlinkSync('/memfd:rsocket-stats (deleted)', path.join(root, '7', 'fd', '10'));
	const [mapping] = findAreas(7, statsLayout, root);
	t.is(withArea(7, mapping!, memory => memory.read(0, 8).toString('latin1'), root), 'ROSAREA1');
});

test('memory that may not be read, and what `use` throws', t => {
	const root = makeTemporaryDirectory(t);
	const file = addProcess(root, 7, {area: {bytes: Buffer.from('x'), inode: 5}});
	const [mapping] = findAreas(7, statsLayout, root);
	t.throws(() => {
		withArea(7, mapping!, () => {
			throw new Error('from use');
		}, root);
	}, {message: 'from use'});
	unlinkSync(file);
	t.is(withArea(7, mapping!, () => 'used', root), undefined);
});

test('what cannot be read is empty', t => {
	t.is(readText('/nowhere/file'), '');
	t.is(readText('/'), '');
	t.is(readLink('/nowhere/link'), '');
	t.is(readLink('/etc/passwd'), '');
});
