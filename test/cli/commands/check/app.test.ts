import path from 'node:path';
import process from 'node:process';
import {stripVTControlCharacters} from 'node:util';
import test from 'ava';
import {checkTool} from '../../../../cli/commands/check.js';
import {makeElf} from '../../helpers/make-elf.js';
import {runToolHere} from '../../helpers/run-tool.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

test('a program that accelerates: 0', async t => {
	const {code, stdout, stderr} = await runToolHere(checkTool, ['app', process.execPath]);
	t.is(code, 0);
	t.is(stderr, '');
	t.true(stdout.startsWith(`${process.execPath}: accelerates: its connections can be promoted\n  dynamically linked, `));
	t.regex(stdout, /% of its \d+ calls that can reach a socket are mapped/);
	t.notRegex(stdout, / mapped: /);
	t.regex((await runToolHere(checkTool, ['app', '--verbose', process.execPath])).stdout, / {2}mapped: .*\bconnect\b/);
});

test('one that runs plain: 1', async t => {
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'static', makeElf());
	const {code, stdout} = await runToolHere(checkTool, ['app', file]);
	t.is(code, 1);
	t.true(stdout.startsWith(`${file}: plain: it runs on plain TCP`));
	t.regex(stdout, /statically linked/);
	t.regex(stdout, /Use a dynamically linked build/);
});

test('one of which nothing can be told: 3; one that does not start: 126', async t => {
	const unknown = await runToolHere(checkTool, ['app', '/usr/bin/env']);
	t.is(unknown.code, 3);
	t.notRegex(unknown.stdout, /can be promoted/);
	const loop = writeTemporaryFile(makeTemporaryDirectory(t), 'loop', '');
	writeTemporaryFile(path.dirname(loop), 'loop', `#!${loop}\n`);
	const {code, stdout} = await runToolHere(checkTool, ['app', loop]);
	t.is(code, 126);
	t.regex(stdout, /cannot-start: it does not start/);
});

test('JSON', async t => {
	const {stdout} = await runToolHere(checkTool, ['app', '--json', process.execPath]);
	t.like(JSON.parse(stdout), {version: 1, program: process.execPath, verdict: 'accelerates', linkage: 'dynamic', interpreters: []});
});

test('colours for a terminal, unless they are not wanted', async t => {
	const painted = await runToolHere(checkTool, ['app', process.execPath], {isTerminal: true});
	t.true(painted.stdout.includes('\u001B['));
	const plain = await runToolHere(checkTool, ['app', process.execPath], {isTerminal: true, env: {NO_COLOR: '1'}});
	t.is(plain.stdout, stripVTControlCharacters(painted.stdout));
});

test('PATH is searched', async t => {
	const directory = makeTemporaryDirectory(t);
	writeTemporaryFile(directory, 'own-program', makeElf());
	t.is((await runToolHere(checkTool, ['app', 'own-program'], {env: {PATH: directory}})).code, 1);
});

for (const [what, args, code, message] of [
	['no such program', ['app', 'no-such-program'], 127, /there is no such program in PATH/],
	['a directory', ['app', '/tmp'], 126, /is a directory/],
	['nothing', ['app'], 125, /not enough non-option arguments/],
	['no command', [], 125, /no command was given/i],
	['an unknown command', ['ap'], 125, /unknown/],
	['an unknown option', ['app', 'x', '--verbos'], 125, /unknown argument: verbos/],
] as const) {
	test(`${what} is an error`, async t => {
		const run = await runToolHere(checkTool, args);
		t.is(run.code, code);
		t.is(run.stdout, '');
		t.regex(run.stderr, message);
		t.notRegex(run.stderr, /\n\s+at /);
	});
}

test('a script whose interpreter is missing', async t => {
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'script', '#!/nowhere/perl\n');
	const {code, stderr} = await runToolHere(checkTool, ['app', '--json', file]);
	t.is(code, 127);
	t.like(JSON.parse(stderr), {error: {code: 'interpreter-missing'}});
});
