import {readFileSync} from 'node:fs';
import test from 'ava';
import {CliError, errorCode, exitCodes} from '../../../cli/control/cli-error.js';

test('an error of ours ends with 125, as env(1) does, unless it says otherwise', t => {
	const error = new CliError('no way', {code: 'no-way', remedy: 'Go back.'});
	t.like(error, {name: 'CliError', message: 'no way', code: 'no-way', remedy: 'Go back.', exitCode: 125, details: undefined});
	t.false('cause' in error);
	t.true(error instanceof Error);
	t.regex(String(error), /^CliError: no way$/);
	t.is(new CliError('', {code: '', remedy: '', exitCode: exitCodes.notFound}).exitCode, 127);
});

test('what is behind it can be told', t => {
	const cause = new Error('cause');
	const error = new CliError('no way', {code: 'no-way', remedy: 'Go back.', cause, details: {file: 'f'}});
	t.is(error.cause, cause);
	t.deepEqual(error.details, {file: 'f'});
});

test('the code of an error that has one', t => {
	const error = t.throws(() => readFileSync('/nowhere/file'));
	t.is(errorCode(error), 'ENOENT');
	t.is(errorCode(new CliError('', {code: 'own', remedy: ''})), 'own');
	for (const none of [undefined, null, 'ENOENT', new Error('ENOENT'), {code: 'ENOENT'}, Object.assign(new Error('number'), {code: 2})]) {
		t.is(errorCode(none), undefined);
	}
});
