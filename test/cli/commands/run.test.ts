import {existsSync, readdirSync, readFileSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import {parseRun, type RunOptions} from '../../../cli/commands/parse-run.js';
import {run} from '../../../cli/commands/run.js';
import {CliError} from '../../../cli/control/cli-error.js';
import {Environment} from '../../../cli/control/environment.js';
import {type OwnProcess} from '../../../cli/control/own-process.js';
import {toRaw, type Raw} from '../../../cli/control/raw.js';
import {loadNative, type ExitStatus, type Native} from '../../../cli/native.js';
import {makeTemporaryDirectory} from '../helpers/temporary-directory.js';

const native = loadNative();

type Started = {path?: string; argv?: readonly string[]; env?: readonly string[]; isChild?: boolean};

/** An addon that notes what would take this process's place. */
function makeFake(seen: Started, failure?: string, status?: ExitStatus): Native {
	const note = (isChild: boolean) => (file: Raw, argv: readonly Raw[], env: readonly Raw[]) => {
		if (failure !== undefined && seen.path === undefined) {
			seen.path = file;
			throw Object.assign(new Error(failure), {code: failure});
		}

		Object.assign(seen, {path: file, argv, env, isChild});
		return status ?? {code: 7};
	};

	return {...native, execve: note(false) as unknown as Native['execve'], spawnWait: note(true), relayBegin() {
		seen.isChild ??= false;
	}, relayEnd() {
		seen.isChild ??= false;
	}};
}

function start(args: readonly string[], fake: Native): ExitStatus {
	const own: OwnProcess = {
		args: args.map(word => toRaw(word)), environment: new Environment([toRaw(`PATH=${process.env['PATH'] ?? ''}`)]),
		inherited: {ignoredSignals: [], blockedSignals: [], openFilesSoft: undefined, descriptors: [0, 1, 2]},
	};
	return run(parseRun(args, fake, '1') as RunOptions, own, fake);
}

test('the program takes the place of this process, with the library', t => {
	const seen: Started = {};
	start(['--profile', 'latency', '--set', 'ring_size=64', '--trace', 'x', '--', 'true', 'a'], makeFake(seen));
	t.like(seen, {path: '/usr/bin/true', argv: ['true', 'a'], isChild: false});
	t.true(seen.env?.some(pair => /^LD_PRELOAD=.*librspreload\.so$/.test(pair)));
	t.true(seen.env?.some(pair => /^RSOCKET_SET=.*polling_time=200.*ring_size=64$/.test(pair)));
	t.true(seen.env?.includes(`RSOCKET_TRACE=${path.resolve('x')}`));
});

test('what is no program is given to sh, or told', t => {
	const seen: Started = {};
	start(['--', 'true', 'a'], makeFake(seen, 'ENOEXEC'));
	t.like(seen, {path: '/bin/sh', argv: ['sh', '/usr/bin/true', 'a']});
	for (const [code, exitCode] of [['ENOENT', 127], ['EACCES', 126]] as const) {
		t.like(t.throws(() => start(['--', 'true'], makeFake({}, code)), {instanceOf: CliError}), {code: 'exec-failed', exitCode});
	}
});

test('a report is written once the child has ended, and its file is gone', t => {
	const directory = makeTemporaryDirectory(t);
	const before = readdirSync(path.dirname(directory)).filter(name => name.startsWith('rsrun-'));
	const seen: Started = {};
	const file = path.join(directory, 'report.json');
	t.deepEqual(start([`--report=json:${file}`, '--', 'true'], makeFake(seen, undefined, {signal: 9})), {signal: 9});
	t.true(seen.isChild);
	const report = seen.env?.find(pair => pair.startsWith('RSOCKET_REPORT='))?.slice('RSOCKET_REPORT='.length) ?? '';
	t.not(report, '');
	t.false(existsSync(report));
	t.like(JSON.parse(readFileSync(file, 'utf8')), {connections: []});
	t.true(readdirSync(path.dirname(directory)).filter(name => name.startsWith('rsrun-')).length <= before.length + 1);
});

test('no room for the report', t => {
	const fake = {...makeFake({}), statsCreate() {
		throw Object.assign(new Error('ENOSPC'), {code: 'ENOSPC'});
	}};
	t.like(t.throws(() => start(['--report', '--', 'true'], fake), {instanceOf: CliError}), {code: 'report-file'});
});
