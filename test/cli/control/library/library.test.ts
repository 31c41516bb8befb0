import {existsSync, readFileSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import {
	check, CliError, config, run, stats,
} from '../../../../cli/index.js';
import {until} from '../../helpers/talker.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

/** Talks to itself until its standard input ends. */
const program = `
const net = require('node:net');
const server = net.createServer(socket => socket.pipe(socket)).listen(0, '127.0.0.1', () => {
	const socket = net.connect(server.address().port, '127.0.0.1', () => setInterval(() => socket.write('ping'), 5)).on('data', () => {});
});
process.stdin.resume().on('end', () => {
	console.log(process.env.RSOCKET_SET ?? 'none', process.env.MINE ?? 'none');
	process.exit();
});`;

test('a program under the toolkit, its connections and its output', async t => {
	const subprocess = run(process.execPath, ['-e', program], {settings: {promote_after_calls: 1}, transport: 'shm', configDirectory: '/nowhere', env: {MINE: 'yes'}, stdin: 'pipe'});
	t.teardown(() => subprocess.kill('SIGKILL'));
	t.is(subprocess.obstacle, undefined);
	const connections = await until(() => {
		const found = subprocess.connections();
		return found.length === 2 && found.every(({transport}) => transport === 'shm') ? found : undefined;
	});
	t.deepEqual(connections.map(({pid}) => pid), [subprocess.pid, subprocess.pid]);
	const pids = [subprocess.pid!];
	t.is(stats.connections({pids}).length, 2);
	t.like(stats.summary(stats.snapshot({pids})), {processes: 1, connections: 2, promoted: 2});
	t.is(stats.trace(subprocess.pid!)[0]!.events[0]!.kind, 'opened');
	t.true((await stats.metrics()).includes(`pid="${subprocess.pid}"`));
	subprocess.stdin.end();
	const {stdout, exitCode} = await subprocess;
	t.is(exitCode, 0);
	t.is(stdout, 'transport=shm,promote_after_calls=1 yes');
	t.deepEqual(subprocess.connections(), []);
});

test('of the programs that it starts too', async t => {
	const subprocess = run('/bin/sh', ['-c', '"$0" -e "$1"; true', process.execPath, program], {settings: {promote_after_calls: 1}, stdin: 'pipe'});
	t.teardown(() => subprocess.kill('SIGKILL'));
	const [connection] = await until(() => {
		const found = subprocess.connections();
		return found.length === 2 ? found : undefined;
	});
	t.not(connection!.pid, subprocess.pid);
	subprocess.stdin.end();
	await subprocess;
});

test('a profile and rules', async t => {
	const directory = makeTemporaryDirectory(t);
	const rules = writeTemporaryFile(directory, 'rules', 'use tcp * * *:1\n');
	const {stdout} = await run('/bin/sh', ['-c', 'echo "$RSOCKET_SET"; echo "$RSOCKET_RULES"'], {profile: 'latency', rules});
	t.regex(stdout, /^[a-z_]+=\d+,.*\n.*tcp/);
});

test('what is wrong', async t => {
	const error = t.throws(() => {
		void run('true', [], {settings: {polling_tim: 1}});
	}, {instanceOf: CliError});
	t.is(error.remedy, 'Did you mean polling_time? rsrun --help lists all settings.');
	t.throws(() => {
		void run('true', [], {profile: 'none'});
	}, {instanceOf: CliError});
	await t.throwsAsync(run('no-such-program-anywhere'), {code: 'ENOENT'});
	t.throws(() => stats.trace(4_194_304), {instanceOf: CliError});
	t.throws(() => stats.trace('/nowhere/trace'), {instanceOf: CliError});
	t.throws(() => config.get('polling_tim'), {instanceOf: CliError});
});

test('a program that the library cannot get into runs plain', async t => {
	const script = writeTemporaryFile(makeTemporaryDirectory(t), 'script', '#!/nowhere/interpreter\n');
	const subprocess = run(script, [], {reject: false});
	t.is(typeof (await subprocess).code, 'string');
	t.deepEqual(subprocess.connections(), []);
});

test('settings', t => {
	const directory = path.join(makeTemporaryDirectory(t), 'rsocket');
	config.set({mem_default: '1M', polling_time: '50us'}, {directory});
	t.is(readFileSync(path.join(directory, 'mem_default'), 'utf8'), '1048576\n');
	t.like(config.get('mem_default', {directory}), {value: 1_048_576, default: 131_072, source: {kind: 'file'}});
	config.set({mem_default: undefined}, {directory});
	t.false(existsSync(path.join(directory, 'mem_default')));
	t.is(config.list({directory}).find(({name}) => name === 'polling_time')?.value, 50);
	t.deepEqual(config.validate({directory}), []);
	writeTemporaryFile(directory, 'sqsize_default', 'many\n');
	t.is(config.validate({directory}).length, 1);
	t.throws(() => {
		config.set({mem_default: 1, polling_time: 'soon'}, {directory});
	}, {instanceOf: CliError});
	t.false(existsSync(path.join(directory, 'mem_default')));
	t.true(config.profiles().some(({name}) => name === 'balanced'));
});

test('checks', t => {
	t.like(check.program(process.execPath), {verdict: 'accelerates', linkage: 'dynamic'});
	t.true(check.environment().some(({area}) => area === 'kernel'));
});
