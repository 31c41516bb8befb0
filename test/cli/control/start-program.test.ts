import {spawnSync} from 'node:child_process';
import process from 'node:process';
import {URL} from 'node:url';
import test from 'ava';
import {CliError} from '../../../cli/control/cli-error.js';
import {Environment} from '../../../cli/control/environment.js';
import {fromRaw, toRaw, type Raw} from '../../../cli/control/raw.js';
import {superviseChild, type Launch} from '../../../cli/control/start-program.js';
import {loadNative} from '../../../cli/native.js';
import {makeElf, machineArm64} from '../helpers/make-elf.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../helpers/temporary-directory.js';

const native = loadNative();

function launch(file: string, ...args: readonly string[]): Launch {
	return {
		path: toRaw(file), argv: [file, ...args].map(word => toRaw(word)), environment: new Environment([toRaw('PATH=/usr/bin:/bin'), 'BYTE=\u00FF' as Raw]),
		inherited: {ignoredSignals: [], blockedSignals: [], openFilesSoft: undefined, descriptors: [0, 1, 2]},
	};
}

test.serial('a child ends with its code or by its signal', t => {
	t.deepEqual(superviseChild(launch('/bin/sh', '-c', 'exit 42'), native), {code: 42});
	t.deepEqual(superviseChild(launch('/bin/sh', '-c', 'kill -9 $$'), native), {signal: 9});
});

test.serial('it gets its environment and its arguments, byte for byte', t => {
	t.deepEqual(superviseChild(launch('/bin/sh', '-c', String.raw`[ "$BYTE" = "$(printf '\377')" ] && [ $# = 2 ] && [ "$2" = "a b" ]`, 'sh', '', 'a b'), native), {code: 0});
	t.deepEqual(superviseChild(launch('/bin/sh', '-c', '[ -z "$HOME" ]'), native), {code: 0});
});

test.serial('a text without a first line runs in sh, with its own name and arguments', t => {
	const script = writeTemporaryFile(makeTemporaryDirectory(t), 'script', '[ "$0" = "$1" ] && [ "$2" = two ] && exit 7\n');
	t.deepEqual(superviseChild(launch(script, script, 'two'), native), {code: 7});
});

test('what cannot be started is told: 127 where nothing is, 126 where it may not be', t => {
	const directory = makeTemporaryDirectory(t);
	const plain = writeTemporaryFile(directory, 'plain', 'echo\n', 0o644);
	for (const [file, exitCode] of [['/nowhere/program', 127], [plain, 126], [directory, 126]] as const) {
		const error = t.throws(() => superviseChild(launch(file), native), {instanceOf: CliError}, `${file}`);
		t.true(error.message.startsWith(`cannot start ${file}: `));
		t.like(error, {code: 'exec-failed', exitCode, remedy: 'Try to start it without rsrun.'});
		t.true(error.cause instanceof Error);
	}
});

test('a process that is replaced keeps its number; what cannot take its place is told first', t => {
	// In a process of its own: what comes before the replacement, as the reset of signals, stays when it fails.
	const script = String.raw`
		import {Environment} from ${JSON.stringify(new URL('../../../cli/control/environment.js', import.meta.url).href)};
		import {replaceProcess} from ${JSON.stringify(new URL('../../../cli/control/start-program.js', import.meta.url).href)};
		import {loadNative} from ${JSON.stringify(new URL('../../../cli/native.js', import.meta.url).href)};
		import {writeSync} from 'node:fs';
		const start = (...argv) => replaceProcess({path: argv[0], argv, environment: new Environment(['A=1']), inherited: {ignoredSignals: [], blockedSignals: [], openFilesSoft: undefined, descriptors: [0, 1, 2]}}, loadNative());
		try { start('/nowhere/program'); } catch (error) { writeSync(1, error.message + ' ' + error.exitCode + '\n'); }
		start('/bin/sh', '-c', 'echo $$ $A');`;
	const {stdout, pid, status} = spawnSync(process.execPath, ['--input-type=module', '-e', script], {encoding: 'utf8', env: {...process.env, NODE_V8_COVERAGE: undefined}});
	t.is(stdout, `cannot start /nowhere/program: execve: No such file or directory 127\n${pid} 1\n`);
	t.is(status, 0);
});

test('what the kernel cannot execute is given to sh', t => {
	const foreign = writeTemporaryFile(makeTemporaryDirectory(t), 'foreign', makeElf({machine: machineArm64}).subarray(0, 64));
	// The shell would say so on standard error: only that it was asked, and with what.
	const asked: string[][] = [];
	t.deepEqual(superviseChild(launch(foreign, 'x'), {...native, spawnWait(path, argv) {
		asked.push([fromRaw(path), ...argv.map(word => fromRaw(word))]);
		if (asked.length === 1) {
			throw Object.assign(new Error('Exec format error'), {code: 'ENOEXEC'});
		}

		return {code: 126};
	}}), {code: 126});
	t.deepEqual(asked, [[foreign, foreign, 'x'], ['/bin/sh', 'sh', foreign, 'x']]);
});

test('where there is no shell either, the program that was asked for is named', t => {
	const error = t.throws(() => superviseChild(launch('/some/script'), {...native, spawnWait(path) {
		throw Object.assign(new Error(path === '/bin/sh' ? 'No such file' : 'Exec format error'), {code: path === '/bin/sh' ? 'ENOENT' : 'ENOEXEC'});
	}}), {instanceOf: CliError});
	t.like(error, {message: 'cannot start /some/script: No such file', exitCode: 127});
});
