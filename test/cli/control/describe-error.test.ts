import test from 'ava';
import {CliError} from '../../../cli/control/cli-error.js';
import {describeError, type How} from '../../../cli/control/describe-error.js';

const plain: How = {isJson: false, isDebug: false};
const json: How = {isJson: true, isDebug: false};

function withCode(message: string, code: string): Error {
	return Object.assign(new Error(message), {code});
}

type Told = {readonly error: {readonly code: string; readonly message: string; readonly remedy: string; readonly details?: unknown; readonly stack?: string}};

test('what was wrong on one line, what to do on the next', t => {
	const error = new CliError('no way', {code: 'no-way', remedy: 'Go back.', details: {place: 1}, cause: new Error('cause')});
	t.is(describeError(error, 'rstest', plain), 'rstest: no way\nGo back.\n');
	t.deepEqual(JSON.parse(describeError(error, 'rstest', json)), {error: {code: 'no-way', message: 'no way', remedy: 'Go back.', details: {place: 1}}});
});

test('with --debug, the traces down to the first cause', t => {
	const error = new CliError('no way', {code: 'no-way', remedy: 'Go back.', cause: new Error('middle', {cause: 'a string'})});
	const text = describeError(error, 'rstest', {...plain, isDebug: true});
	t.regex(text, /^rstest: no way\nGo back\.\nCliError: no way\n\s+at [^]*\nCaused by: Error: middle\n\s+at [^]*\nCaused by: a string\n$/);
	const {error: told} = JSON.parse(describeError(error, 'rstest', {isJson: true, isDebug: true})) as Told;
	t.regex(told.stack ?? '', /Caused by: Error: middle/);
});

test('a lack of something is no bug: it is told with what to do', t => {
	for (const [code, expected, remedy] of [
		['EMFILE', 'nofile', /ulimit -n/], ['ENFILE', 'nofile', /ulimit -n/], ['ENOMEM', 'no-room', /Make room/], ['ENOSPC', 'no-room', /Make room/], ['EDQUOT', 'no-room', /Make room/],
	] as const) {
		const {error} = JSON.parse(describeError(withCode(`${code}: it is full`, code), 'rstest', json)) as Told;
		t.is(error.code, expected, `${code}`);
		t.regex(error.remedy, remedy);
		t.notRegex(error.message, /internal/);
	}

	t.true(describeError(withCode('ENOSPC: it is full', 'ENOSPC'), 'rstest', plain).startsWith('rstest: there is no room: ENOSPC: it is full\n'));
});

test('anything else is a bug of ours, whatever was thrown', t => {
	for (const [thrown, message] of [[new TypeError('x is not a function'), 'x is not a function'], ['text', 'text'], [undefined, 'undefined'], [null, 'null'], [withCode('EBADF: bad', 'EBADF'), 'EBADF: bad']] as const) {
		t.is(describeError(thrown, 'rstest', plain), `rstest: internal error: ${message}\nPlease report it, with what --debug shows.\n`);
		t.like(JSON.parse(describeError(thrown, 'rstest', json)), {error: {code: 'internal'}});
	}

	t.regex(describeError('text', 'rstest', {...plain, isDebug: true}), /--debug shows\.\ntext\n$/);
});
