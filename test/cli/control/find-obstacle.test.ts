import {spawnSync} from 'node:child_process';
import {chmodSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import {CliError} from '../../../cli/control/cli-error.js';
import {findObstacle, ownMachine, type System} from '../../../cli/control/find-obstacle.js';
import {toRaw} from '../../../cli/control/raw.js';
import {makeElf, machineArm64, type ElfShape} from '../helpers/make-elf.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../helpers/temporary-directory.js';

const system: System = {
	uid: 0,
	gid: 0,
	machine: 'x86_64',
	lookUp: () => undefined,
	hasCapabilities: () => false,
};

const glibc = '/lib64/ld-linux-x86-64.so.2';

const shapes: ReadonlyArray<readonly [string | undefined, ElfShape]> = [
	[undefined, {interpreter: glibc}],
	['static', {}],
	['musl', {interpreter: '/lib/ld-musl-x86_64.so.1'}],
	['libc', {interpreter: '/system/bin/linker64'}],
	['32-bit', {bits: 32, machine: 3, interpreter: '/lib/ld-linux.so.2'}],
	['architecture', {machine: machineArm64, interpreter: '/lib/ld-linux-aarch64.so.1'}],
	['go', {noteNames: ['Go']}],
	['go', {interpreter: glibc, noteNames: ['GNU', 'Go']}],
];

for (const [code, shape] of shapes) {
	test(`${JSON.stringify(shape)}: ${code ?? 'no obstacle'}`, t => {
		const file = writeTemporaryFile(makeTemporaryDirectory(t), 'program', makeElf(shape));
		const obstacle = findObstacle(toRaw(file), system);
		t.is(obstacle?.code, code);
		t.is(obstacle?.path, code === undefined ? undefined : file);
	});
}

test('the program that runs this test has no obstacle', t => {
	t.is(findObstacle(toRaw(process.execPath), {...system, machine: ownMachine()}), undefined);
});

test('the dynamic linker preloads into what it runs', t => {
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'ld-linux-x86-64.so.2', makeElf());
	t.is(findObstacle(toRaw(file), system), undefined);
});

test('setuid and setgid matter when they change who runs the program', t => {
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'program', makeElf({interpreter: glibc}));
	const owner = {uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0};
	const stranger = {...system, uid: owner.uid + 1, gid: owner.gid + 1};
	chmodSync(file, 0o4755);
	t.is(findObstacle(toRaw(file), {...system, ...owner}), undefined);
	t.is(findObstacle(toRaw(file), stranger)?.code, 'setid');
	chmodSync(file, 0o2755);
	t.is(findObstacle(toRaw(file), stranger)?.code, 'setid');
	chmodSync(file, 0o755);
	t.is(findObstacle(toRaw(file), stranger), undefined);
});

test('file capabilities matter to all but root', t => {
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'program', makeElf({interpreter: glibc}));
	t.is(findObstacle(toRaw(file), {...system, uid: 1, hasCapabilities: () => true})?.code, 'capabilities');
	t.is(findObstacle(toRaw(file), {...system, uid: 0, hasCapabilities: () => true}), undefined);
});

test('a chain of scripts has the obstacle of its last interpreter', t => {
	const directory = makeTemporaryDirectory(t);
	const program = writeTemporaryFile(directory, 'program', makeElf());
	const inner = writeTemporaryFile(directory, 'inner', `#!${program} -x\n`);
	const outer = writeTemporaryFile(directory, 'outer', `#!${inner}\n`);
	const obstacle = findObstacle(toRaw(outer), system);
	t.is(obstacle?.code, 'static');
	t.is(obstacle?.path, outer);
	t.true(obstacle?.description.startsWith(`is a script for ${inner}, which is a script for ${program}, which is statically linked`));
});

test('env finds the interpreter in PATH', t => {
	const directory = makeTemporaryDirectory(t);
	const program = writeTemporaryFile(directory, 'interpreter', makeElf());
	const script = writeTemporaryFile(directory, 'script', '#!/usr/bin/env interpreter\n');
	const lookUp: System['lookUp'] = name => name === 'interpreter' ? toRaw(program) : undefined;
	t.is(findObstacle(toRaw(script), {...system, lookUp})?.code, 'static');
});

test('a script whose interpreter is missing is refused with 127', t => {
	const directory = makeTemporaryDirectory(t);
	for (const line of [`#!${path.join(directory, 'nowhere')}\n`, '#!/usr/bin/env nowhere\n']) {
		const script = writeTemporaryFile(directory, 'script', line);
		const error = t.throws(() => findObstacle(toRaw(script), system), {instanceOf: CliError});
		t.is(error?.exitCode, 127);
		t.regex(error?.message ?? '', /nowhere does not exist$/);
	}
});

test('scripts that name each other come to an end', t => {
	const directory = makeTemporaryDirectory(t);
	const script = path.join(directory, 'script');
	writeTemporaryFile(directory, 'script', `#!${script}\n`);
	t.is(findObstacle(toRaw(script), system), undefined);
});

test('a text without a first line runs in /bin/sh', t => {
	const script = writeTemporaryFile(makeTemporaryDirectory(t), 'script', 'echo\n');
	t.is(findObstacle(toRaw(script), {...system, machine: ownMachine()}), undefined);
});

test('an interpreter that is a directory or a FIFO is left to the kernel to refuse', t => {
	const directory = makeTemporaryDirectory(t);
	const fifo = path.join(directory, 'fifo');
	t.is(spawnSync('mkfifo', [fifo]).status, 0);
	for (const interpreter of [directory, fifo]) {
		t.is(findObstacle(toRaw(writeTemporaryFile(directory, 'script', `#!${interpreter}\n`)), system), undefined);
	}
});
