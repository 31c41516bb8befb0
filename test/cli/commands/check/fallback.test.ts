import process from 'node:process';
import test from 'ava';
import {checkTool} from '../../../../cli/commands/check.js';
import {runToolHere} from '../../helpers/run-tool.js';
import {talk} from '../../helpers/tiny-app.js';

const server = [process.execPath, '-e', 'require("node:net").createServer(socket => socket.pipe(socket)).listen(Number(process.argv[1]), "127.0.0.1")', '{port}'];

function client(script: string): string[] {
	return [process.execPath, '-e', script, '{port}'];
}

type Report = {readonly isSame: boolean; readonly mixes: ReadonlyArray<{readonly mode: string; readonly isSame: boolean; readonly differences: readonly string[]; readonly promoted: number; readonly ends: number}>};

test('four mixes that are the same', async t => {
	const {code, stdout} = await runToolHere(checkTool, ['fallback', '--json', '--', ...server, '--', ...client(talk(50))]);
	t.is(code, 0);
	const {isSame, mixes} = JSON.parse(stdout) as Report;
	t.true(isSame);
	t.deepEqual(mixes.map(({mode, promoted, ends}) => `${mode} ${promoted}/${ends}`), ['plain 0/0', 'both 2/2', 'server 0/1', 'client 0/1']);
});

test('one that notices', async t => {
	const script = 'console.log(process.env.LD_PRELOAD ? "fast 1" : "plain 2"); process.exitCode = process.env.LD_PRELOAD ? 1 : 0';
	const {code, stdout} = await runToolHere(checkTool, ['fallback', '--', ...server, '--', ...client(script)]);
	t.is(code, 1);
	t.regex(stdout, /^both ends {4}1 +exit code 1 instead of 0, output line 1: fast 1 instead of plain 2/m);
	t.regex(stdout, /^server only {2}0 +same/m);
	t.is((await runToolHere(checkTool, ['fallback', '--ignore', String.raw`\w+ \d`, '--', ...server, '--', ...client(script.replace('process.exitCode = ', ''))])).code, 0);
});

test('a setting for the preloaded ends', async t => {
	const {stdout} = await runToolHere(checkTool, ['fallback', '--json', '--set', 'transport=tcp', '--', ...server, '--', ...client(talk(50))]);
	t.true((JSON.parse(stdout) as Report).mixes.every(({promoted}) => promoted === 0));
});

test('a client that fails on plain TCP is told', async t => {
	const {code, stderr} = await runToolHere(checkTool, ['fallback', '--', ...server, '--', 'false']);
	t.is(code, 0);
	t.regex(stderr, /the client does not succeed on plain TCP either: 1/);
});

for (const [what, args, code, message] of [
	['one command', ['--', 'true'], 125, /two commands are needed/], ['none', [], 125, /two commands are needed/], ['a missing program', ['--', 'no-such-program', '--', 'true'], 127, /no-such-program is not installed/],
	['a server that ends', ['--', 'true', '--', 'true'], 125, /true ended/], ['a broken pattern', ['--ignore', '(', '--', 'true', '--', 'true'], 125, /no regular expression/],
	['an unknown setting', ['--set', 'transprot=tcp', '--', 'true', '--', 'true'], 125, /no setting is called "transprot"/], ['a strange timeout', ['--timeout', 'x', '--', 'true', '--', 'true'], 125, /--timeout cannot be "x"/],
] as const) {
	test(`${what} is an error`, async t => {
		const run = await runToolHere(checkTool, ['fallback', ...args]);
		t.is(run.code, code);
		t.is(run.stdout, '');
		t.regex(run.stderr, message);
	});
}

test('clients that never end are no success', async t => {
	const {code, stdout} = await runToolHere(checkTool, ['fallback', '--json', '--timeout', '1', '--', ...server, '--', 'sleep', '100']);
	t.is(code, 1);
	t.deepEqual((JSON.parse(stdout) as Report).mixes.map(({isSame, differences}) => [isSame, differences]), Array.from({length: 4}, () => [false, ['the client does not end']]));
});

test('standard error, and the end of the server, are compared too', async t => {
	const loud = await runToolHere(checkTool, ['fallback', '--', ...server, '--', ...client('if (process.env.LD_PRELOAD) console.error("odd")')]);
	t.is(loud.code, 1);
	t.regex(loud.stdout, /^both ends .*standard error line 1: odd instead of/m);
	const ending = [process.execPath, '-e', 'process.on("SIGTERM", () => process.exit(process.env.LD_PRELOAD ? 3 : 0)); require("node:net").createServer().listen(Number(process.argv[1]), "127.0.0.1")', '{port}'];
	const {code, stdout} = await runToolHere(checkTool, ['fallback', '--', ...ending, '--', 'true']);
	t.is(code, 1);
	t.regex(stdout, /^server only .*the server ends with 3 instead of 0/m);
});

test('promotion can be required', async t => {
	const args = ['--require-promotion', '--', ...server, '--'];
	t.is((await runToolHere(checkTool, ['fallback', ...args, ...client(talk(50))])).code, 0);
	const {code, stderr} = await runToolHere(checkTool, ['fallback', ...args, ...client(talk(1))]);
	t.is(code, 1);
	t.regex(stderr, /nothing was promoted/);
});

test('an interruption is no result', async t => {
	const controller = new AbortController();
	const run = runToolHere(checkTool, ['fallback', '--', ...server, '--', 'sh', '-c', 'echo started; exec sleep 60'], {signal: controller.signal});
	controller.abort();
	const {code, stdout, stderr} = await run;
	t.is(code, 125);
	t.is(stdout, '');
	t.regex(stderr, /^rscheck: interrupted\n/);
});
