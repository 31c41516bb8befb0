import {spawnSync} from 'node:child_process';
import path from 'node:path';
import test from 'ava';
import {openMemory} from '../../../../cli/control/stat/memory.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

test('bytes from a base on, fewer at the end, none behind it', t => {
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'file', 'abcdefgh');
	const memory = openMemory(file, 2n)!;
	t.is(memory.read(0, 3).toString(), 'cde');
	t.is(memory.read(4, 100).toString(), 'gh');
	t.is(memory.read(6, 1).length, 0);
	t.is(memory.read(1000, 1).length, 0);
	memory.close();
});

test('an address that no file can have', t => {
	const memory = openMemory('/proc/self/mem', 0n)!;
	// The page at zero is never mapped.
	t.is(memory.read(0, 16).length, 0);
	memory.close();
	const far = openMemory('/proc/self/mem', 0xFF_FF_FF_FF_FF_60_00_00n)!;
	t.is(far.read(0, 16).length, 0);
	far.close();
});

test('what cannot be opened or read', t => {
	const directory = makeTemporaryDirectory(t);
	t.is(openMemory(path.join(directory, 'none')), undefined);
	const memory = openMemory(directory)!;
	t.is(memory.read(0, 16).length, 0);
	memory.close();
});

test('a FIFO that nobody writes to is not waited for', t => {
	const fifo = path.join(makeTemporaryDirectory(t), 'fifo');
	t.is(spawnSync('mkfifo', [fifo]).status, 0);
	const memory = openMemory(fifo)!;
	t.is(memory.read(0, 16).length, 0);
	memory.close();
});
