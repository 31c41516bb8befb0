import {existsSync, readdirSync, statSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {CliError} from '../../../cli/control/cli-error.js';
import {ReportFile} from '../../../cli/control/report-file.js';
import {loadNative} from '../../../cli/native.js';
import {setVariable} from '../helpers/set-variable.js';
import {makeTemporaryDirectory} from '../helpers/temporary-directory.js';

const native = loadNative();

test.serial('an empty report in a directory that only this user can enter, until it is removed', t => {
	const temporary = makeTemporaryDirectory(t);
	setVariable(t, 'TMPDIR', temporary);
	const file = new ReportFile(native);
	t.deepEqual(file.read(), {connections: [], dropped: 0});
	t.is(path.dirname(path.dirname(file.path)), temporary);
	t.is(statSync(path.dirname(file.path)).mode & 0o777, 0o700);
	t.is(statSync(file.path).mode & 0o777, 0o600);
	const other = new ReportFile(native);
	t.not(other.path, file.path);
	file.remove();
	t.false(existsSync(path.dirname(file.path)));
	t.notThrows(() => {
		file.remove();
	});
	t.throws(() => file.read(), {code: 'ENOENT'});
	other.remove();
	t.deepEqual(readdirSync(temporary), []);
});

test.serial('no room for it is told, and leaves nothing', t => {
	const temporary = makeTemporaryDirectory(t);
	setVariable(t, 'TMPDIR', temporary);
	const full = {...native, statsCreate() {
		throw Object.assign(new Error('No space left on device'), {code: 'ENOSPC'});
	}};
	const error = t.throws(() => new ReportFile(full), {instanceOf: CliError});
	t.is(error.message, `no report can be made in ${temporary}: No space left on device`);
	t.like(error, {code: 'report-file', remedy: 'Make 16 MiB of room there, or set TMPDIR to another directory.'});
	t.deepEqual(readdirSync(temporary), []);
});

test.serial('a TMPDIR that is not there, or no directory', t => {
	const temporary = makeTemporaryDirectory(t);
	for (const [directory, code] of [[path.join(temporary, 'none'), 'ENOENT'], ['/proc/self/status', 'ENOTDIR']] as const) {
		setVariable(t, 'TMPDIR', directory);
		const error = t.throws(() => new ReportFile(native), {instanceOf: CliError});
		t.true(error.message.startsWith(`no report can be made in ${directory}: ${code}`));
		t.regex(error.remedy, /TMPDIR/);
	}
});
