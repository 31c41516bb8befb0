/** What is told of four mixes is in test/cli/commands/check/fallback. */
import {existsSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import {checkFallback, type FallbackSubject, type Mix} from '../../../../cli/control/check/check-fallback.js';
import {CliError} from '../../../../cli/control/cli-error.js';
import {loadNative} from '../../../../cli/native.js';
import {makeTemporaryDirectory} from '../../helpers/temporary-directory.js';
import {tinyApp} from '../../helpers/tiny-app.js';

const server = tinyApp().start[0]!.run;

async function check(change: Partial<FallbackSubject>): Promise<Mix[]> {
	return checkFallback({
		server, client: ['true'], ignore: [], settings: [], stepTimeoutMs: 30_000, searchPath: process.env['PATH'] ?? '', native: loadNative(), signal: new AbortController().signal, ...change,
	});
}

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
