import test from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {parseTool} from '../../../../cli/control/tool/parse-tool.js';
import {defineCommand, type Tool} from '../../../../cli/control/tool/tool.js';

const run = () => 0;
const tool: Tool = {
	name: 'rstest', summary: 's', description: ['Tests.'], exitCodes: [],
	options: {dir: {type: 'string', requiresArg: true, describe: 'd'}},
	commands: [
		defineCommand({command: 'set <key> <value>', describe: 'Sets', positionals: {key: {type: 'string'}, value: {type: 'string'}}, options: {only: {type: 'string', array: true}}, run}),
		{command: 'rules', describe: 'Rules', commands: [defineCommand({command: 'check <file>', describe: 'Checks', positionals: {file: {type: 'string'}}, run})]},
	],
};

function parse(...args: readonly string[]) {
	return parseTool(tool, args, '1.2.3');
}

function refuse(...args: readonly string[]): string {
	const error = catchError(() => parse(...args));
	return `${error?.message}|${error?.remedy}`;
}

function catchError(action: () => unknown): CliError | undefined {
	try {
		action();
		return undefined;
	} catch (error) {
		return error instanceof CliError ? error : undefined;
	}
}

test('a command with its arguments', t => {
	t.like(parse('set', 'a', '007', '--dir', 'x'), {args: {key: 'a', value: '007', dir: 'x'}});
	t.like(parse('--dir=x', 'rules', 'check', 'f', '--', '-a', '-'), {args: {file: 'f', dir: 'x'}});
});

test('the last of a repeated option counts, unless it is a list', t => {
	t.like(parse('set', 'a', 'b', '--dir', 'x', '--dir', 'y', '--only', '1', '--only', '2'), {args: {dir: 'y', only: ['1', '2']}});
});

test('a lone dash is an argument', t => {
	t.like(parse('rules', 'check', '-'), {args: {file: '-'}});
	t.like(parse('set', 'a', '-', '--only', '-'), {args: {value: '-', only: ['-']}});
	t.like(parse('rules', 'check', 'f', '--', '-'), {args: {'--': ['-']}});
	t.regex(refuse('-'), /^unknown argument: -\|/);
});

test('help and version are output', t => {
	t.like(parse('--version'), {output: '1.2.3\n'});
	const help = parse('set', '--help');
	t.true('output' in help && help.output.includes('rstest set <key> <value>'));
});

test('a wrong command line says what would be right', t => {
	t.is(refuse('set', 'a'), 'not enough non-option arguments: got 1, need at least 2|Write: rstest set <key> <value>. rstest set --help says more.');
	t.regex(refuse('rules', 'check'), /\|Write: rstest rules check <file>\. rstest rules check --help says more\.$/);
	t.regex(refuse('sett', 'a', 'b'), /\|Did you mean set\?$/);
	t.regex(refuse('rules', 'chek'), /\|Did you mean check\?$/);
	t.regex(refuse('set', 'a', 'b', '--dri', 'x'), /\|Did you mean --dir\?$/);
	t.is(refuse(), 'no command was given.|rstest --help lists all commands and options.');
});
