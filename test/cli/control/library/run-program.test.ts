import {spawnSync} from 'node:child_process';
import {existsSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import {CliError, run, stats} from '../../../../cli/index.js';
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
	const [story] = await stats.why(`${connections[0]!.pid}:${connections[0]!.fd}`);
	t.like(story, {remedy: 'Nothing.', otherRemedy: 'Nothing.', other: {kind: 'visible'}});
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

test('the trace of one that has ended', async t => {
	const trace = path.join(makeTemporaryDirectory(t), 'trace');
	const subprocess = run(process.execPath, ['-e', program], {settings: {promote_after_calls: 1}, trace, stdin: 'pipe'});
	t.teardown(() => subprocess.kill('SIGKILL'));
	await until(() => subprocess.connections().length === 2 || undefined);
	subprocess.stdin.end();
	await subprocess;
	t.is(stats.trace(`${trace}.${subprocess.pid}`)[0]?.pid, subprocess.pid);
});

test('a program that the library cannot get into runs plain', async t => {
	const script = writeTemporaryFile(makeTemporaryDirectory(t), 'script', '#!/nowhere/interpreter\n');
	const subprocess = run(script, [], {reject: false});
	t.is(typeof (await subprocess).code, 'string');
	t.deepEqual(subprocess.connections(), []);
});

test('a static program runs plain, and is told why', async t => {
	const file = path.join(makeTemporaryDirectory(t), 'static');
	const {status, stderr} = spawnSync('cc', ['-static', '-x', 'c', '-', '-o', file], {input: 'int main(void) { return 7; }', encoding: 'utf8'});
	t.is(status, 0, `${stderr}`);
	const subprocess = run(file, [], {reject: false});
	t.like(subprocess.obstacle, {code: 'static', path: file});
	t.is((await subprocess).exitCode, 7);
});

test('the environment is that of the caller, and what preloads the library', async t => {
	const print = ['-e', 'console.log(JSON.stringify(process.env))'];
	const environmentOf = async (options: Parameters<typeof run>[2]): Promise<Record<string, string>> => JSON.parse((await run(process.execPath, print, {...options, encoding: 'utf8'})).stdout as string) as Record<string, string>;
	const own = await environmentOf({extendEnv: false, env: {PATH: '/usr/bin:/bin', MINE: 'é=1', LD_PRELOAD: '/nowhere/other.so', GONE: undefined}, transport: 'tcp', settings: {polling_time: 5}, configDirectory: 'relative', stderr: 'ignore'});
	// Node hands that one on by itself while coverage is measured.
	t.deepEqual(Object.keys(own).filter(name => name !== 'NODE_V8_COVERAGE').toSorted(), ['LD_PRELOAD', 'MINE', 'PATH', 'RSOCKET_CONFIG_DIR', 'RSOCKET_SET']);
	t.like(own, {MINE: 'é=1', RSOCKET_SET: 'transport=tcp,polling_time=5', RSOCKET_CONFIG_DIR: path.resolve('relative')});
	t.regex(own['LD_PRELOAD'] ?? '', /^\/nowhere\/other\.so:.*librspreload\.so$/);
	t.is((await environmentOf({}))['PATH'], process.env['PATH']);
});

test('settings of the caller are stronger than those of a profile', async t => {
	const {stdout} = await run('/bin/sh', ['-c', 'echo "$RSOCKET_SET"'], {profile: 'latency', settings: {polling_time: 1}, env: {RSOCKET_SET: ''}});
	t.regex(stdout, /^polling_time=200,.*,polling_time=1$/);
});

test('what is wrong starts nothing', async t => {
	const directory = makeTemporaryDirectory(t);
	const marker = path.join(directory, 'marker');
	for (const [options, message, remedy] of [
		[{settings: {polling_tim: 1}}, /no setting is called "polling_tim"/, /^Did you mean polling_time\? rsrun --help lists all settings\.$/], [{settings: {polling_time: -1}}, /polling_time cannot be "-1"/, /from 0 to/],
		[{transport: 'rdma'}, /transport cannot be "rdma"/, /auto, shm, tcp/], [{profile: 'none'}, /no profile is called "none"/, /\S/], [{rules: '/nowhere/rules'}, /cannot be read/, /\S/],
		[{rules: writeTemporaryFile(directory, 'rules', 'nonsense\n')}, /rules:1: /, /^Nothing was started/],
	] as const) {
		const error = t.throws(() => {
			void run('touch', [marker], options as object);
		}, {instanceOf: CliError, message});
		t.regex(error.remedy, remedy);
	}

	await t.throwsAsync(run('no-such-program-anywhere'), {code: 'ENOENT'});
	t.false(existsSync(marker));
});
