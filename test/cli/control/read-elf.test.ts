import {closeSync, openSync} from 'node:fs';
import process from 'node:process';
import test, {type ExecutionContext} from 'ava';
import {readElf} from '../../../cli/control/read-elf.js';
import {makeElf} from '../helpers/make-elf.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../helpers/temporary-directory.js';

function readFile(file: string) {
	const fd = openSync(file, 'r');
	try {
		return readElf(fd);
	} finally {
		closeSync(fd);
	}
}

function readBytes(t: ExecutionContext, bytes: Uint8Array) {
	return readFile(writeTemporaryFile(makeTemporaryDirectory(t), 'file', bytes));
}

test('reads the program that runs this test', t => {
	t.like(readFile(process.execPath), {bits: 64, isGo: false});
	t.regex(readFile(process.execPath)?.interpreter ?? '', /\/ld-linux/);
});

for (const bits of [32, 64] as const) {
	for (const isLittle of [true, false]) {
		test(`reads ${bits} bits, ${isLittle ? 'little' : 'big'} endian`, t => {
			const elf = makeElf({
				bits, isLittle, machine: 40, interpreter: '/lib/ld-musl-armhf.so.1', noteNames: ['GNU', 'Go'],
			});
			t.deepEqual(readBytes(t, elf), {
				bits, machine: 40, interpreter: '/lib/ld-musl-armhf.so.1', isGo: true, isWhole: true,
			});
		});
	}
}

test('a file without those segments is static and not Go', t => {
	t.deepEqual(readBytes(t, makeElf({noteNames: ['GNU', 'stapsdt']})), {
		bits: 64, machine: 62, interpreter: undefined, isGo: false, isWhole: true,
	});
});

test('a file cut anywhere is read without an exception', t => {
	const elf = makeElf({interpreter: '/lib64/ld.so', noteNames: ['Go']});
	for (let length = 0; length <= elf.length; length++) {
		t.notThrows(() => readBytes(t, elf.subarray(0, length)));
	}
});

test('a file of random bytes after the magic is read without an exception', t => {
	const elf = makeElf({interpreter: '/lib64/ld.so', noteNames: ['Go']});
	for (let offset = 4; offset < elf.length; offset++) {
		const broken = new Uint8Array(elf);
		broken[offset] = 0xFF;
		t.notThrows(() => readBytes(t, broken));
	}
});
