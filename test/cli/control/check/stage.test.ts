import {existsSync, readFileSync, statSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test, {type ExecutionContext} from 'ava';
import {findFamily} from '../../../../cli/control/check/find-family.js';
import {findListeningPort} from '../../../../cli/control/check/find-owner.js';
import {Stage, type StageOptions} from '../../../../cli/control/check/stage.js';
import {loadNative, preloadLibrary} from '../../../../cli/native.js';

async function open(t: ExecutionContext, change: Partial<StageOptions> = {}): Promise<Stage> {
	const stage = await Stage.open({
		mode: 'plain', settings: '', library: preloadLibrary, native: loadNative(), ports: {port: 0, fixed: 4711}, words: {npm: '/modules'}, searchPath: process.env['PATH'] ?? '',
		stopSignal: 'SIGTERM', readyTimeoutMs: 10_000, stepTimeoutMs: 10_000, signal: new AbortController().signal, ...change,
	});
	t.teardown(async () => stage.close());
	return stage;
}

const server = 'require("node:net").createServer(socket => socket.end("hello")).listen(Number(process.argv[1]), "127.0.0.1", () => console.log("listens"))';

test('words in braces', async t => {
	const stage = await open(t);
	t.is(stage.expand('{dir} {port} {fixed} {npm} {node} {other} {} {HOME}'), `${stage.directory} ${stage.ports.get('port')} 4711 /modules ${process.execPath} {other} {} {HOME}`);
});

test('programs get a small environment, and no socket as their output', async t => {
	const stage = await open(t);
	const {status, stdout} = await stage.run('client', {run: ['sh', '-c', 'env | cut -d= -f1 | sort; readlink /proc/$$/fd/1'], env: {OWN: '{fixed}'}});
	t.is(status, 0);
	const names = stdout.trim().split('\n');
	t.true(['HOME', 'LC_ALL', 'OWN', 'PATH'].every(name => names.includes(name)));
	t.false(names.some(name => name.startsWith('LD_') || name.startsWith('RSOCKET')));
	t.is(names.at(-1), `${stage.directory}/log-0.out`);
});

test('preloaded ends get the library, and tools do not', async t => {
	const stage = await open(t, {mode: 'client', settings: 'polling_time=0'});
	const run = ['sh', '-c', 'echo "$LD_PRELOAD|$RSOCKET_SET"'];
	t.is((await stage.run('client', {run})).stdout, `${preloadLibrary}|polling_time=0\n`);
	t.is((await stage.run('server', {run})).stdout, '|\n');
	t.is((await stage.run(undefined, {run})).stdout, '|\n');
});

test('input, exit codes, signals, errors', async t => {
	const stage = await open(t);
	t.deepEqual(await stage.run('client', {run: ['sh', '-c', 'cat; echo no >&2; exit 7'], input: 'text {fixed}'}), {status: 7, stdout: 'text 4711', stderr: 'no\n'});
	t.is((await stage.run('client', {run: ['sh', '-c', 'kill -9 $$']})).status, 'SIGKILL');
	t.regex(String((await stage.run('client', {run: ['/nowhere/program']})).status), /ENOENT/);
	t.is((await stage.run('client', {run: ['cat']})).status, 0);
});

test('files and directories', async t => {
	const stage = await open(t);
	await stage.writeText('a/b', 'port {port}\n');
	t.is(readFileSync(path.join(stage.directory, 'a/b'), 'utf8'), `port ${stage.ports.get('port')}\n`);
	await stage.makeDirectory('data', '');
	await stage.makeDirectory('theirs', 'daemon');
	t.is(statSync(path.join(stage.directory, 'data')).mode & 0o777, 0o755);
	t.is(statSync(path.join(stage.directory, 'theirs')).mode & 0o777, 0o700);
	t.is(statSync(path.join(stage.directory, 'theirs')).uid, process.getuid?.() === 0 ? 1 : statSync(stage.directory).uid);
});

test('a server is ready when it listens and has said so; it ends with the stage', async t => {
	const stage = await open(t);
	await stage.serve({run: [process.execPath, '-e', server, '{port}'], ready: {port: 'port', output: '^listens$'}});
	t.is((await stage.run('client', {run: [process.execPath, '-e', 'require("node:net").connect(Number(process.argv[1])).pipe(process.stdout)', '{port}']})).stdout, 'hello');
	t.regex(stage.log(), /listens/);
	await stage.close();
	t.false(existsSync(stage.directory));
});

test('a server of which only its family is known', async t => {
	const stage = await open(t);
	t.is(await stage.serveAnywhere({run: ['sh', '-c', '"$0" "$@"; true', process.execPath, '-e', server, '{port}']}, findListeningPort), stage.ports.get('port') ?? -1);
});

test('a server that does not get ready', async t => {
	const stage = await open(t, {readyTimeoutMs: 100});
	await t.throwsAsync(stage.serve({run: ['sleep', '60'], ready: {port: 'port'}}), {message: /sleep 60 does not get ready/});
	await t.throwsAsync(stage.serve({run: ['sh', '-c', 'echo why; exit 1'], ready: {port: 'port'}}), {message: /(?:ended|does not get ready)\n[^]*why|ended/});
});

test('what ignores the polite signal is killed, with its children', async t => {
	const stage = await open(t);
	await stage.serve({run: ['sh', '-c', 'sh -c \'trap "" TERM; echo pid $$; while :; do sleep 1; done\' & wait'], ready: {output: String.raw`^pid \d+$`}});
	const pid = Number(/^pid (\d+)$/m.exec(stage.log())?.[1]);
	t.true(findFamily(pid).includes(pid));
	await stage.stop();
	t.deepEqual(findFamily(pid), []);
});

test('an aborted wait', async t => {
	const controller = new AbortController();
	const stage = await open(t, {signal: controller.signal});
	const ended = stage.run('client', {run: ['sleep', '60']});
	controller.abort();
	t.is((await ended).status, 'hangs');
});
