import test from 'ava';
import {explainFailure, type Known} from '../../../../cli/control/tool/explain-failure.js';

const known: Known = {options: ['dir', 'dry-run', 'json'], commands: ['set', 'unset', 'get']};

function explain(message: string, change: Partial<Known> = {}): string {
	const {message: text, remedy, code, exitCode} = explainFailure(message, 'rstest', {...known, ...change});
	return [text, remedy, ...(code === 'usage' && exitCode === 125 ? [] : [code])].join('|');
}

test('several lines become one sentence that begins small', t => {
	t.is(explain('Invalid values:\n  Argument: mode, Given: "x", Choices: "a", "b"\n'), 'invalid values: Argument: mode, Given: "x", Choices: "a", "b"|rstest --help lists all commands and options.');
	t.is(explain('JSON is no command'), 'JSON is no command|rstest --help lists all commands and options.');
	t.is(explain(''), '|rstest --help lists all commands and options.');
});

test('an unknown word may have been meant as a command or as an option', t => {
	t.is(explain('Unknown argument: gett'), 'unknown argument: gett|Did you mean get?');
	t.is(explain('Unknown command: unsett'), 'unknown command: unsett|Did you mean unset?');
	t.is(explain('Unknown argument: dri'), 'unknown argument: dri|Did you mean --dir?');
	t.is(explain('Unknown arguments: dry-rnu, zzzzzz'), 'unknown arguments: dry-rnu, zzzzzz|Did you mean --dry-run?');
	t.is(explain('Unknown argument: zzzzzzzz'), 'unknown argument: zzzzzzzz|rstest --help lists all commands and options.');
});

test('where there are no commands, the options are what is listed', t => {
	t.is(explain('Unknown argument: zzzzzzzz', {commands: []}), 'unknown argument: zzzzzzzz|rstest --help lists all options.');
	t.is(explain('Unknown argument: zzzzzzzz', {above: ['rules']}), 'unknown argument: zzzzzzzz|rstest rules --help lists all commands and options.');
});

test('too few arguments: how the command is written', t => {
	const message = 'Not enough non-option arguments: got 0, need at least 1';
	for (const [usage, remedy] of [
		['set <key> <value>', 'Write: rstest set <key> <value>. rstest set --help says more.'],
		['rules check [file]', 'Write: rstest rules check [file]. rstest rules check --help says more.'],
		['<program>', 'Write: rstest <program>. rstest --help says more.'],
	] as const) {
		t.is(explain(message, {usage}), `not enough non-option arguments: got 0, need at least 1|${remedy}`);
	}

	t.is(explain(message), 'not enough non-option arguments: got 0, need at least 1|rstest --help lists all commands and options.');
	t.is(explain('Unknown argument: gett', {usage: 'set <key>'}), 'unknown argument: gett|Did you mean get?');
});
