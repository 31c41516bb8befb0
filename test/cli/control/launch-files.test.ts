import test from 'ava';
import {CliError} from '../../../cli/control/cli-error.js';
import {profileSettings, rulesVariable} from '../../../cli/control/launch-files.js';
import {loadNative} from '../../../cli/native.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../helpers/temporary-directory.js';

const native = loadNative();

test('a profile gives every setting that profiles are about', t => {
	const pairs = profileSettings('low-cpu', native);
	t.true(pairs.includes('polling_time=0') && pairs.includes('promote_after_bytes=262144'));
	t.true(pairs.some(pair => pair.startsWith('ring_size=')));
});

test('rules become the library\'s variable', t => {
	const directory = makeTemporaryDirectory(t);
	const make = (text: string) => rulesVariable(writeTemporaryFile(directory, 'rules', text), native);
	t.is(make('# a\nuse tcp * * *:80 # b\n\nset x polling_time=0\n'), 'use tcp * * *:80\nset x polling_time=0');
	t.is(make('[{"use": "tcp"}]'), 'use tcp * * *:*');
	t.regex(make('profile nginx latency'), /^set nginx .*polling_time=200/);
	t.is(make('# nothing\n'), '#');
});

test('faulty rules start nothing', t => {
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'rules', 'use tcp * * *:80\nuse tpc * * *:*\n');
	const error = t.throws(() => rulesVariable(file, native), {instanceOf: CliError});
	t.true(error?.message.startsWith(`${file}:2: `));
	t.regex(error?.remedy ?? '', /^Nothing was started/);
	t.is(t.throws(() => rulesVariable('/nowhere/rules', native), {instanceOf: CliError})?.code, 'not-found');
});

test('a semicolon, which the variable cannot hold, is refused', t => {
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'rules', '\nuse tcp * a;b *:80\n');
	const error = t.throws(() => rulesVariable(file, native), {instanceOf: CliError});
	t.is(error?.code, 'rules');
	t.true(error?.message.startsWith(`${file}:2: `));
});
