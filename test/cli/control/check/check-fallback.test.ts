import {existsSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import {checkFallback, type FallbackSubject, type Mix} from '../../../../cli/control/check/check-fallback.js';
import {CliError} from '../../../../cli/control/cli-error.js';
import {loadNative} from '../../../../cli/native.js';
import {makeTemporaryDirectory} from '../../helpers/temporary-directory.js';
import {talk, tinyApp} from '../../helpers/tiny-app.js';

const server = tinyApp().start[0]!.run;

function client(script: string): string[] {
	return [process.execPath, '-e', script, '{port}'];
}

async function check(change: Partial<FallbackSubject>): Promise<Mix[]> {
	return checkFallback({
		server, client: ['true'], ignore: [], settings: [], stepTimeoutMs: 30_000, searchPath: process.env['PATH'] ?? '', native: loadNative(), signal: new AbortController().signal, ...change,
	});
}

test('four mixes, the plain one first, with the ends that the toolkit saw', async t => {
	const mixes = await check({client: client(talk(50)), settings: ['promote_after_calls=1']});
	t.deepEqual(mixes.map(({mode, isSame, ends, promoted}) => [mode, isSame, ends, promoted]), [['plain', true, 0, 0], ['both', true, 2, 2], ['server', true, 1, 0], ['client', true, 1, 0]]);
	t.deepEqual(mixes[1]?.reasons, ['promoted']);
	t.true(mixes.every(({status, serverStatus, differences}) => status === 0 && serverStatus === 'SIGTERM' && differences.length === 0));
});

test('every difference is told, in words', async t => {
	const [, both, , alone] = await check({client: client('if (process.env.LD_PRELOAD) { console.log("one"); console.error("two"); process.exitCode = 3; } else console.log("none")')});
	const differences = ['exit code 3 instead of 0', 'output line 1: one instead of none', 'standard error line 1: two instead of '];
	t.deepEqual(both?.differences, differences);
	t.deepEqual(alone?.differences, differences);
	t.false(both?.isSame);
});

test('what may differ is taken out of both outputs', async t => {
	const mixes = await check({client: client('console.log("took", process.pid); console.error("at", process.hrtime.bigint().toString())'), ignore: [String.raw`\d+`, 'took']});
	t.true(mixes.every(({isSame}) => isSame));
});

test('what is wrong is told before anything is started', async t => {
	const marker = path.join(makeTemporaryDirectory(t), 'marker');
	const touch = ['touch', marker];
	const wrong: ReadonlyArray<readonly [Partial<FallbackSubject>, string, RegExp]> = [
		[{server: ['no-such-program']}, 'not-found', /no-such-program is not installed/], [{client: ['no-such-program']}, 'not-found', /no-such-program is not installed/],
		[{ignore: ['(']}, 'pattern', /^"\(" is no regular expression$/], [{settings: ['polling_time']}, 'setting-form', /not of the form key=value/], [{settings: ['poling_time=1']}, 'setting-unknown', /poling_time/],
	];
	for (const [change, code, message] of wrong) {
		const error = await t.throwsAsync(check({server: touch, client: touch, ...change}), {instanceOf: CliError, message});
		t.is(error?.code, code);
		t.not(error?.remedy, '');
	}

	t.false(existsSync(marker));
});

test('a server that listens on nothing is told', async t => {
	const error = await t.throwsAsync(check({server: ['sh', '-c', 'echo why >&2; exit 3']}), {instanceOf: CliError});
	t.is(error?.code, 'server');
	t.regex(error?.message ?? '', /^sh -c .* ended\n/);
	t.is(error?.remedy, 'The server must stay in the foreground and listen on TCP.');
});

test('an interruption is no result', async t => {
	const controller = new AbortController();
	controller.abort();
	await t.throwsAsync(check({signal: controller.signal}), {instanceOf: CliError, message: 'interrupted'});
});
