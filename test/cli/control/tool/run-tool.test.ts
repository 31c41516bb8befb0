import test from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {runTool} from '../../../../cli/control/tool/run-tool.js';
import {defineCommand, type Context, type Tool} from '../../../../cli/control/tool/tool.js';
import {runToolHere} from '../../helpers/run-tool.js';

/** A tool whose commands do what `run` does with the context. */
function makeTool(run: (context: Context, args: Readonly<Record<string, unknown>>) => unknown): Tool {
	return {
		name: 'rstest', summary: 's', description: ['Tests.'], exitCodes: [], commands: [
			defineCommand({command: 'do [word]', describe: 'Does it', positionals: {word: {type: 'string'}}, run(args, context) {
				const code = run(context, args);
				return typeof code === 'number' ? code : 0;
			}}),
			defineCommand({command: 'later', describe: 'Does it later', async run(args, context) {
				return run(context, args) as number;
			}}),
		],
	};
}

test('the exit code is the command\'s', async t => {
	t.deepEqual(await runToolHere(makeTool(() => 3), ['do']), {code: 3, stdout: '', stderr: ''});
	t.is((await runToolHere(makeTool(() => 4), ['later'])).code, 4);
});

test('lines end with one newline, and nothing is nothing', async t => {
	const tool = makeTool(({print, warn}) => {
		print('one');
		print('two\n');
		print('');
		warn('look out');
	});
	t.deepEqual(await runToolHere(tool, ['do']), {code: 0, stdout: 'one\ntwo\n', stderr: 'rstest: look out\n'});
});

test('a document has tabs, an event of a stream one line', async t => {
	const {stdout} = await runToolHere(makeTool(({printJson, printJsonLine}) => {
		printJson({a: [1]});
		printJsonLine({a: [1]});
	}), ['do']);
	t.is(stdout, '{\n\t"a": [\n\t\t1\n\t]\n}\n{"a":[1]}\n');
});

test('what a user did wrong is told, with its own exit code', async t => {
	const tool = makeTool(() => {
		throw new CliError('no way', {code: 'no-way', remedy: 'Go back.', exitCode: 7});
	});
	for (const command of ['do', 'later']) {
		t.deepEqual(await runToolHere(tool, [command]), {code: 7, stdout: '', stderr: 'rstest: no way\nGo back.\n'});
	}

	const {stdout, stderr} = await runToolHere(tool, ['do', '--json']);
	t.is(stdout, '');
	t.deepEqual(JSON.parse(stderr), {error: {code: 'no-way', message: 'no way', remedy: 'Go back.'}});
	t.regex((await runToolHere(tool, ['do', '--debug'])).stderr, /Go back\.\nCliError: no way\n\s+at /);
});

test('a bug of ours is told as one', async t => {
	t.deepEqual(await runToolHere(makeTool(() => {
		throw new TypeError('x is not a function');
	}), ['do']), {code: 125, stdout: '', stderr: 'rstest: internal error: x is not a function\nPlease report it, with what --debug shows.\n'});
});

test('options behind -- are not the tool\'s', async t => {
	let seen: unknown;
	const tool = makeTool((context, args) => {
		seen = [context.isJson, args['--']];
		throw new CliError('no way', {code: 'no-way', remedy: 'Go back.'});
	});
	const {stderr} = await runToolHere(tool, ['do', '--', '--json', '--debug']);
	t.deepEqual(seen, [false, ['--json', '--debug']]);
	t.is(stderr, 'rstest: no way\nGo back.\n');
});

test('a wrong command line starts nothing', async t => {
	const tool = makeTool(() => {
		t.fail();
	});
	for (const [args, remedy] of [[['od'], 'Did you mean do?'], [['do', '--jsn'], 'Did you mean --json?'], [[], 'rstest --help lists all commands and options.']] as const) {
		const {code, stdout, stderr} = await runToolHere(tool, args);
		t.is(code, 125);
		t.is(stdout, '');
		t.true(stderr.endsWith(`\n${remedy}\n`), `${stderr}`);
	}

	t.like(JSON.parse((await runToolHere(tool, ['od', '--json'])).stderr), {error: {code: 'usage'}});
});

test('help and version run nothing', async t => {
	const tool = makeTool(() => {
		t.fail();
	});
	t.regex((await runToolHere(tool, ['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
	t.regex((await runToolHere(tool, ['do', '--help'])).stdout, /^rstest do \[word]\n/);
});

test('a completion command belongs to each tool that has commands', async t => {
	const tool = makeTool(() => 0);
	t.regex((await runToolHere(tool, ['completion', 'bash'])).stdout, /complete .* rstest\n$/);
	t.is((await runToolHere(tool, ['completion', 'fish'])).code, 125);
	t.regex((await runToolHere(tool, ['--get-completions', ''])).stdout, /^do\tDoes it\nlater\tDoes it later\ncompletion\t/);
});

test('the world is only asked for what a command uses', async t => {
	const tool = makeTool(context => {
		t.is(context.native, context.native);
		t.is(context.env['OWN'], 'yes');
		t.true(context.isTerminal);
		t.is(context.paint('bold', 'x'), '\u001B[1mx\u001B[22m');
	});
	const surroundings = {
		env: {OWN: 'yes'}, isTerminal: true,
		get signal(): AbortSignal {
			throw new Error('a signal handler is installed by this');
		},
		write(_fd: 1 | 2, text: string) {
			t.fail(text);
		},
	};
	t.is(await runTool(tool, ['do'], surroundings), 0);
});
