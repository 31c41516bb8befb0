import path from 'node:path';
import test from 'ava';
import {CliError} from '../../../cli/control/cli-error.js';
import {findProgram} from '../../../cli/control/find-program.js';
import {toRaw} from '../../../cli/control/raw.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../helpers/temporary-directory.js';

test('takes the first executable file in PATH', t => {
	const first = makeTemporaryDirectory(t);
	const second = makeTemporaryDirectory(t);
	writeTemporaryFile(first, 'program', '', 0o644);
	const executable = writeTemporaryFile(second, 'program', '');
	t.is(findProgram(toRaw('program'), toRaw(`${first}:${second}`)), toRaw(executable));
});

test('a name with a slash is not looked for', t => {
	const directory = makeTemporaryDirectory(t);
	const file = writeTemporaryFile(directory, 'program', '');
	t.is(findProgram(toRaw(file), toRaw('/nowhere')), toRaw(file));
	t.throws(() => findProgram(toRaw('./no-such-program'), toRaw(directory)), {instanceOf: CliError});
});

test('missing is 127', t => {
	const error = t.throws(() => findProgram(toRaw('program'), toRaw(makeTemporaryDirectory(t))), {instanceOf: CliError});
	t.is(error?.exitCode, 127);
	t.is(t.throws(() => findProgram(toRaw(''), undefined), {instanceOf: CliError})?.exitCode, 127);
});

test('a directory or a file without permission is 126', t => {
	const directory = makeTemporaryDirectory(t);
	const file = writeTemporaryFile(directory, 'program', '', 0o644);
	for (const name of [file, directory]) {
		t.is(t.throws(() => findProgram(toRaw(name), undefined), {instanceOf: CliError})?.exitCode, 126);
	}

	t.is(t.throws(() => findProgram(toRaw(path.basename(file)), toRaw(directory)), {instanceOf: CliError})?.exitCode, 126);
});

test('finds a file whose name is not UTF-8', t => {
	const directory = makeTemporaryDirectory(t);
	const file = writeTemporaryFile(directory, 'é', '');
	t.is(findProgram(toRaw('é'), toRaw(directory)), toRaw(file));
});
