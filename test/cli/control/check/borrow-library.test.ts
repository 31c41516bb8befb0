import {existsSync, readFileSync, statSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import {withLibrary} from '../../../../cli/control/check/borrow-library.js';
import {CliError} from '../../../../cli/control/cli-error.js';
import {preloadLibrary} from '../../../../cli/native.js';
import {setVariable} from '../../helpers/set-variable.js';

test('a copy that everybody can load, for as long as it is used', async t => {
	const file = await withLibrary(async library => {
		t.true(readFileSync(library).equals(readFileSync(preloadLibrary)));
		t.is(statSync(path.dirname(library)).mode & 0o777, 0o755);
		t.true(path.basename(path.dirname(library)).startsWith(`rscheck-${process.pid}-`));
		return library;
	});
	t.false(existsSync(path.dirname(file)));
});

test('it goes when its use fails', async t => {
	let file = '';
	await t.throwsAsync(withLibrary(async library => {
		file = library;
		throw new Error('no');
	}), {message: 'no'});
	t.false(existsSync(path.dirname(file)));
});

test.serial('no directory can be made for it', async t => {
	setVariable(t, 'TMPDIR', '/nowhere');
	const error = await t.throwsAsync(withLibrary(async () => {
		t.fail();
	}), {instanceOf: CliError, message: /^no directory can be made in \/nowhere: ENOENT/});
	t.is(error?.remedy, 'Set TMPDIR to a directory that can be written to.');
});
