import {spawnSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {accessSync, constants} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import {setTimeout as sleep} from 'node:timers/promises';
import {fileURLToPath, URL} from 'node:url';
import test from 'ava';
import {rsrun} from './helpers/run-rsrun.js';
import {makeTemporaryDirectory} from './helpers/temporary-directory.js';

/** From dist/test/cli. */
const bin = (name: string): string => name === 'rsrun' ? rsrun : fileURLToPath(new URL(`../../cli/${name}.js`, import.meta.url));

function shell(script: string, ...args: readonly string[]) {
	return spawnSync('bash', ['-c', script, ...args], {encoding: 'utf8'});
}

test('the programs can be started as they are built', t => {
	for (const name of ['rscheck', 'rsconfig', 'rsstat', 'rsrun']) {
		t.notThrows(() => {
			accessSync(bin(name), constants.X_OK);
		});
	}

	t.is(spawnSync(bin('rsconfig'), ['--version']).status, 0);
});

for (const [name, ...args] of [['rscheck', '--version'], ['rsconfig', 'list'], ['rsstat', 'summary'], ['rsrun', '--dry-run', '--profile', 'latency', '--', 'true']] as const) {
	test(`${name} works where few files may be open`, t => {
		for (const limit of [24, 64]) {
			const {status, stderr} = shell(`ulimit -n ${limit}; exec "$0" "$@"`, bin(name), ...args);
			t.is(stderr, '');
			t.is(status, 0);
		}
	});
}

test('rscheck env says that few files may be open, and how to raise that', t => {
	const {stdout} = shell('ulimit -n 48; exec "$0" env --quick', bin('rscheck'));
	t.regex(stdout, /warning {2}limits .*48 open files \(ulimit -n\)/);
	t.regex(stdout, /prlimit --pid \$\$ --nofile=65536/);
});

for (const [name, ...args] of [['rscheck', 'matrix', '--list'], ['rsconfig', 'list'], ['rsstat', 'summary'], ['rsrun', '--help'], ['rsrun', '--dry-run', '--', 'true']] as const) {
	test(`${name} ${args.join(' ')}: output that cannot be written is told`, t => {
		const {status, stderr} = shell('exec "$0" "$@" >/dev/full', bin(name), ...args);
		t.is(status, 125);
		t.regex(stderr, new RegExp(`^${name}: standard output cannot be written: ENOSPC`));
		t.notRegex(stderr, /internal|\n\s+at /);
		t.is(shell('exec "$0" "$@" >/dev/full 2>/dev/full', bin(name), ...args).status, 125);
	});
}

test('files without an end are given up', t => {
	for (const args of [['rsconfig', 'rules', 'check', '/dev/zero'], ['rsconfig', 'import', '/dev/zero'], ['rsconfig', 'rules', 'install', '/dev/zero', '--dry-run'], ['rsconfig', 'apply', '/dev/zero', '--dry-run'],
		['rscheck', 'matrix', '/dev/zero'], ['rsrun', '--rules', '/dev/zero', '--', 'true'], ['rsrun', '--profile', '/dev/zero', '--', 'true']] as const) {
		const [name, ...rest] = args;
		const {status, stderr} = spawnSync(bin(name), rest, {encoding: 'utf8', timeout: 60_000});
		t.is(status, 125, `${args.join(' ')}: ${stderr}`);
		t.regex(stderr, /more than 1048576 bytes/);
	}

	const {status, stderr} = spawnSync(bin('rsstat'), ['trace', '/dev/zero'], {encoding: 'utf8', timeout: 60_000});
	t.is(status, 125);
	t.regex(stderr, /\/dev\/zero is no file that can be read/);
});

test('a signal ends what waits for its input', async t => {
	const fifo = path.join(makeTemporaryDirectory(t), 'fifo');
	t.is(spawnSync('mkfifo', [fifo]).status, 0);
	const child = spawn(bin('rsconfig'), ['rules', 'check', fifo], {stdio: 'ignore'});
	await sleep(2000);
	child.kill('SIGTERM');
	const [, signal] = await once(child, 'exit') as [number | null, string | null];
	t.is(signal, 'SIGTERM');
});

test('errors as JSON, and with traces', t => {
	const json = spawnSync(rsrun, ['--json', '--transport', 'tcp', '--', 'no-such-program'], {encoding: 'utf8'});
	t.is(json.status, 127);
	t.like(JSON.parse(json.stderr), {error: {code: 'not-found'}});
	const traced = spawnSync(rsrun, ['--debug', '--', 'no-such-program', '--json'], {encoding: 'utf8', env: process.env});
	t.regex(traced.stderr, /^rsrun: cannot start no-such-program.*\n.*\n.*Error: .*\n\s+at /);
});
