import {spawnSync} from 'node:child_process';
import {symlinkSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import {inspectProgram} from '../../../cli/control/inspect-program.js';
import {toRaw} from '../../../cli/control/raw.js';
import {makeElf} from '../helpers/make-elf.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../helpers/temporary-directory.js';

test('a program', t => {
	const program = inspectProgram(toRaw(process.execPath));
	t.like(program, {isReadable: true, isBroken: false, shebang: undefined, elf: {bits: 64, isWhole: true}});
	t.true(program?.status.isFile());
});

test('a script, whose first line is read as far as the kernel reads it', t => {
	const directory = makeTemporaryDirectory(t);
	const inspect = (text: string) => inspectProgram(toRaw(writeTemporaryFile(directory, 'script', text)));
	t.like(inspect('#!/usr/bin/env node\ncode'), {elf: undefined, isBroken: false, shebang: {path: '/usr/bin/env', viaEnv: 'node'}});
	t.like(inspect('echo\n'), {elf: undefined, shebang: undefined, isBroken: false});
	t.like(inspect(''), {elf: undefined, shebang: undefined, isBroken: false});
	t.is(inspect(`#!${'/x'.repeat(1000)}\n`)?.shebang?.path.length, 254);
	t.is(inspect('#!/bin/s\u00E9\n')?.shebang?.path, toRaw('/bin/s\u00E9'));
});

test('what begins as a program and could not be started', t => {
	const directory = makeTemporaryDirectory(t);
	const elf = makeElf({interpreter: '/lib64/ld-linux-x86-64.so.2'});
	for (const [name, bytes] of [['magic', '\u007FELF'], ['head', elf.subarray(0, 64)], ['cut', elf.subarray(0, -1)]] as const) {
		t.like(inspectProgram(toRaw(writeTemporaryFile(directory, name, bytes))), {isReadable: true, isBroken: true, shebang: undefined}, `${name}`);
	}

	t.like(inspectProgram(toRaw(writeTemporaryFile(directory, 'whole', elf))), {isBroken: false});
	t.like(inspectProgram(toRaw(writeTemporaryFile(directory, 'text', ' \u007FELF'))), {isBroken: false});
});

test('nothing there', t => {
	const directory = makeTemporaryDirectory(t);
	t.is(inspectProgram(toRaw(path.join(directory, 'none'))), undefined);
	symlinkSync('none', path.join(directory, 'link'));
	t.is(inspectProgram(toRaw(path.join(directory, 'link'))), undefined);
});

test('neither a directory nor a FIFO is read', t => {
	const directory = makeTemporaryDirectory(t);
	const fifo = path.join(directory, 'fifo');
	t.is(spawnSync('mkfifo', [fifo]).status, 0);
	for (const file of [directory, fifo, '/dev/zero']) {
		const program = inspectProgram(toRaw(file));
		t.like(program, {isReadable: false, elf: undefined, shebang: undefined, isBroken: false}, `${file}`);
		t.false(program?.status.isFile());
	}
});
