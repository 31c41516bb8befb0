import {existsSync, readFileSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import {checkTool} from '../../../../cli/commands/check.js';
import {readManifest, type Manifest} from '../../../../cli/control/check/manifest.js';
import {type Results} from '../../../../cli/control/check/format-matrix.js';
import {CliError} from '../../../../cli/control/cli-error.js';
import {makeRandom, malform} from '../../helpers/malform.js';
import {runToolHere} from '../../helpers/run-tool.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';
import {talk, tinyApp} from '../../helpers/tiny-app.js';

function write(directory: string, manifest: Manifest): string {
	return writeTemporaryFile(directory, `${manifest.name}.json`, JSON.stringify(manifest));
}

test('a manifest of one\'s own, in every format at once', async t => {
	const directory = makeTemporaryDirectory(t);
	const file = write(directory, tinyApp());
	const outputs = ['table', 'markdown', 'json', 'junit', 'tap', 'html'].map(format => `${format}:${path.join(directory, `out.${format}`)}`);
	const {code, stdout} = await runToolHere(checkTool, ['matrix', file, '--jobs', '2', ...outputs.flatMap(output => ['--output', output])]);
	t.is(code, 0);
	t.regex(stdout, /^program +both\/auto +both\/tcp +server\/auto +server\/tcp +client\/auto +client\/tcp\ntiny +same 2\/2 /);
	const {cells} = JSON.parse(readFileSync(path.join(directory, 'out.json'), 'utf8')) as Results;
	t.is(cells.length, 6);
	for (const [format, start] of [['markdown', '| program |'], ['junit', '<?xml'], ['tap', 'TAP version 14\n1..6\n'], ['html', '<!doctype html>'], ['table', 'program']] as const) {
		t.true(readFileSync(path.join(directory, `out.${format}`), 'utf8').startsWith(start));
	}
});

test('differences make it fail', async t => {
	const file = write(makeTemporaryDirectory(t), tinyApp({client: 'console.log(process.env.LD_PRELOAD ?? "plain")'}));
	const {code, stdout} = await runToolHere(checkTool, ['matrix', file, '--mode', 'client', '--mode', 'client', '--transport', 'tcp', '--json']);
	t.is(code, 1);
	t.like(JSON.parse(stdout), {counts: {differs: 1, same: 0}, cells: [{app: 'tiny', mode: 'client', transport: 'tcp', status: 'differs'}]});
});

test('too little promotion fails on request only', async t => {
	const file = write(makeTemporaryDirectory(t), tinyApp({client: talk(1)}));
	const args = ['matrix', file, '--mode', 'both', '--transport', 'auto', '--format', 'tap'];
	const {code, stdout} = await runToolHere(checkTool, args);
	t.is(code, 0);
	t.regex(stdout, /status: unpromoted/);
	t.is((await runToolHere(checkTool, [...args, '--require-promotion'])).code, 1);
	t.is((await runToolHere(checkTool, [...args, '--require-promotion', '--set', 'promote_after_calls=1'])).code, 1);
});

test('what is not installed is not run, and has not passed', async t => {
	const directory = makeTemporaryDirectory(t);
	const missing = write(directory, tinyApp({name: 'missing', needs: ['no-such-program']}));
	const alone = await runToolHere(checkTool, ['matrix', missing, '--mode', 'client', '--transport', 'auto']);
	t.is(alone.code, 125);
	t.regex(alone.stdout, /^missing +skipped$/m);
	t.regex(alone.stderr, /nothing was run/);
	const args = ['matrix', missing, write(directory, tinyApp()), '--mode', 'client', '--transport', 'auto'];
	t.is((await runToolHere(checkTool, args)).code, 0);
	t.is((await runToolHere(checkTool, [...args, '--require-all'])).code, 1);
});

test('--install asks the package managers first', async t => {
	const directory = makeTemporaryDirectory(t);
	for (const name of ['apt-get', 'sudo']) {
		writeTemporaryFile(directory, name, `#!/bin/sh\nprintf '#!/bin/sh\\n' >${directory}/own-program\nchmod 755 ${directory}/own-program\n`);
	}

	const file = write(directory, tinyApp({needs: ['own-program'], packages: {debian: ['own-package']}}));
	const {code} = await runToolHere(checkTool, ['matrix', file, '--install', '--mode', 'server', '--transport', 'tcp'], {env: {PATH: `${directory}:${process.env['PATH']}`}});
	t.is(code, 0);
});

test('the list', async t => {
	const {stdout} = await runToolHere(checkTool, ['matrix', '--list']);
	t.regex(stdout, /^redis +one thread/m);
	const list = JSON.parse((await runToolHere(checkTool, ['matrix', '--list', '--json', 'redis', 'nginx'])).stdout) as {readonly version: number; readonly apps: ReadonlyArray<{readonly name: string}>};
	t.is(list.version, 1);
	t.deepEqual(list.apps.map(({name}) => name), ['redis', 'nginx']);
});

test('an interrupted matrix is no success', async t => {
	const controller = new AbortController();
	controller.abort();
	const {code, stderr} = await runToolHere(checkTool, ['matrix', write(makeTemporaryDirectory(t), tinyApp())], {signal: controller.signal});
	t.is(code, 125);
	t.regex(stderr, /interrupted/);
});

for (const [what, args, message] of [
	['an unknown application', ['redsi'], /no application is called redsi\nDid you mean redis\?/], ['an unknown mode', ['--mode', 'x'], /mode/], ['an unknown transport', ['--transport', 'x'], /transport/],
	['an unknown format', ['--format', 'xml'], /format/], ['an output without file', ['--output', 'tap'], /not of the form FORMAT:FILE/], ['an output of no format', ['--output', 'x:y'], /not of the form FORMAT:FILE/],
	['an output that cannot be written', ['--output', 'tap:/nowhere/x', 'redis'], /\/nowhere\/x cannot be written/], ['no jobs', ['--jobs', '0'], /--jobs cannot be "0"/], ['strange retries', ['--retries', '-1'], /retries/],
	['an unknown setting', ['--set', 'x=1'], /no setting is called "x"/],
] as const) {
	test(`${what} is an error before anything is run`, async t => {
		const {code, stdout, stderr} = await runToolHere(checkTool, ['matrix', ...args]);
		t.is(code, 125);
		t.is(stdout, '');
		t.regex(stderr, message);
	});
}

test('200 malformed manifests: a clear error each, and nothing is run', async t => {
	const directory = makeTemporaryDirectory(t);
	const marker = path.join(directory, 'marker');
	const touch = ['touch', marker];
	const sound = {
		...tinyApp({files: {'a.conf': ['x']}, directories: {data: ''}, ports: {port: 0}, path: ['/usr/bin'], stop: 'SIGINT'}), prepare: [{run: touch}], start: [{run: touch, ready: {port: 'port', output: 'x'}}],
		exercise: [{name: 'talk', run: touch, status: 0, ignore: [String.raw`\d`]}],
	};
	const random = makeRandom(20_261_121);
	let refused = 0;
	for (let round = 0; refused < 200 && round < 1000; round++) {
		const file = writeTemporaryFile(directory, 'malformed.json', malform(sound, random));
		try {
			// What a change has left sound is not what this is about.
			readManifest(file);
			continue;
		} catch (error) {
			t.true(error instanceof CliError);
		}

		refused++;
		const {code, stdout, stderr} = await runToolHere(checkTool, ['matrix', file]);
		t.is(code, 125);
		t.is(stdout, '');
		t.true(stderr.startsWith(`rscheck: ${file}: `));
		t.notRegex(stderr, /internal error|\n\s+at |undefined/);
		t.true(stderr.split('\n').length >= 3);
	}

	t.is(refused, 200);
	t.false(existsSync(marker));
});
