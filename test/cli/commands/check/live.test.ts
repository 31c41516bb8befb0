import {spawn, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import process from 'node:process';
import test, {type ExecutionContext} from 'ava';
import {checkTool} from '../../../../cli/commands/check.js';
import {preloadLibrary} from '../../../../cli/native.js';
import {runToolHere, type ToolRun} from '../../helpers/run-tool.js';

const clean = {RSOCKET_SET: undefined, RSOCKET_RULES: undefined, RSOCKET_CONFIG_DIR: '/nowhere'};

/** Echoes, on a port that it prints. */
const program = 'const server = require("node:net").createServer(socket => socket.pipe(socket).on("error", () => socket.destroy())).listen(0, "127.0.0.1", () => console.log(server.address().port))';

async function serve(t: ExecutionContext, env: Readonly<Record<string, string>>): Promise<number> {
	const child: ChildProcess = spawn(process.execPath, ['-e', program], {stdio: ['ignore', 'pipe', 'inherit'], env: {PATH: process.env['PATH'], RSOCKET_CONFIG_DIR: '/nowhere', ...env}});
	t.teardown(() => {
		child.kill('SIGKILL');
	});
	const [line] = await once(child.stdout!, 'data') as [Uint8Array];
	return Number(line.toString());
}

async function ask(args: readonly string[], env = {}): Promise<ToolRun> {
	return runToolHere(checkTool, ['live', ...args], {env: {...clean, ...env}});
}

test('a server under the toolkit would promote, and does', async t => {
	const port = await serve(t, {LD_PRELOAD: preloadLibrary});
	const {code, stdout} = await ask([`127.0.0.1:${port}`, '--json']);
	t.is(code, 0);
	t.like(JSON.parse(stdout), {peer: `127.0.0.1:${port}`, verdict: 'promotes', transport: 'shm', reason: 'promoted', uid: process.getuid?.(), processes: [{program: 'node', executable: process.execPath}]});
	const tried = await ask([String(port), '--send', String.raw`x\n`, '--json']);
	t.is(tried.code, 0);
	t.like(JSON.parse(tried.stdout), {verdict: 'promotes', talk: {sent: 'x\n', count: 32, answers: 32, promoted: true, bytes: 128}});
	t.regex((await ask([`localhost:${port}`, '--send', 'x'])).stdout, /would be promoted to shm\n.*\n.*\n {2}32 of 32 answered, \d+ of 64 bytes through shared memory\n$/);
	t.like(JSON.parse((await ask([String(port), '--json'], {RSOCKET_SET: 'transport=tcp'})).stdout), {verdict: 'stays', reason: 'setting'});
});

test('a plain server would not, and does not', async t => {
	const port = await serve(t, {});
	const {code, stdout} = await ask([String(port)]);
	t.is(code, 1);
	t.regex(stdout, /a connection would stay on TCP: peer-absent\n.* node \(\d+\) has not loaded the library/);
	const tried = await ask([String(port), '--send', 'x', '--json']);
	t.is(tried.code, 1);
	t.like(JSON.parse(tried.stdout), {verdict: 'stays', reason: 'peer-absent', talk: {promoted: false, shmBytes: 0}});
});

test('one that is told to stay', async t => {
	const port = await serve(t, {LD_PRELOAD: preloadLibrary, RSOCKET_SET: 'transport=tcp'});
	const {code, stdout} = await ask([String(port), '--json']);
	t.is(code, 1);
	t.like(JSON.parse(stdout), {verdict: 'stays', reason: 'setting', processes: [{settings: 'transport=tcp'}]});
});

test('what was seen counts more than what was expected', async t => {
	// Rules that this end does not see: they are for the program that talks.
	const port = await serve(t, {LD_PRELOAD: preloadLibrary});
	const {code, stdout} = await ask([String(port), '--send', 'x', '--json', '--program', 'other'], {RSOCKET_RULES: 'use tcp * node *:*'});
	t.is(code, 1);
	t.like(JSON.parse(stdout), {verdict: 'stays', reason: 'rule', talk: {promoted: false}});
});

for (const [what, args, message] of [
	['no port', ['localhost'], /not of the form HOST:PORT/], ['nobody', ['127.0.0.1:1'], /nobody listens there/], ['a strange escape', ['1', '--send', String.raw`\q`], /says nothing/],
	['a strange count', ['1', '--count', 'x'], /--count cannot be "x"/], ['a strange timeout', ['1', '--timeout', '0'], /--timeout cannot be "0"/], ['nothing', [], /not enough non-option arguments/],
] as const) {
	test(`${what} is an error`, async t => {
		const {code, stdout, stderr} = await ask(args);
		t.is(code, 125);
		t.is(stdout, '');
		t.regex(stderr, message);
	});
}
