import {Buffer} from 'node:buffer';
import {readFileSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import {readImports} from '../../../../cli/control/check/read-imports.js';
import {preloadLibrary} from '../../../../cli/native.js';
import {makeElf} from '../../helpers/make-elf.js';
import {makeRandom} from '../../helpers/malform.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

test('what Node asks for', t => {
	const imports = readImports(process.execPath);
	t.true(imports?.libraries.includes('libc.so.6'));
	t.regex(imports?.functions.get('connect') ?? '', /^GLIBC_/);
	t.false(imports?.functions.has('main'));
});

test('what our library offers', t => {
	const imports = readImports(preloadLibrary);
	t.true(['connect', 'recvmsg', 'epoll_wait'].every(name => imports?.exported.has(name)));
	t.false(imports?.exported.has('ring_push'));
});

test('files that are nothing of the kind', t => {
	const directory = makeTemporaryDirectory(t);
	t.is(readImports(path.join(directory, 'missing')), undefined);
	for (const content of ['', '#!/bin/sh\n', makeElf(), makeElf({bits: 32}), makeElf({isLittle: false})]) {
		t.is(readImports(writeTemporaryFile(directory, 'file', content)), undefined);
	}
});

test('broken files are read without harm', t => {
	const whole = readFileSync(preloadLibrary);
	const random = makeRandom(20_261_121);
	const directory = makeTemporaryDirectory(t);
	for (let round = 0; round < 200; round++) {
		const copy = Buffer.from(whole.subarray(0, round % 4 === 0 ? random(whole.length) : whole.length));
		for (let change = random(8); change >= 0 && copy.length > 0; change--) {
			// The head, the tables, or anywhere.
			copy[random(Math.min(copy.length, [64, 1024, 65_536, copy.length][random(4)] ?? 1))] = random(256);
		}

		const imports = readImports(writeTemporaryFile(directory, 'file', copy));
		t.true(imports === undefined || imports.functions instanceof Map);
	}
});
