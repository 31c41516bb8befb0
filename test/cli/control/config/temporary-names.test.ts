import {mkdtempSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {isTemporaryDirectory, isTemporaryFile, journalName, temporaryDirectory, temporaryFile} from '../../../../cli/control/config/temporary-names.js';
import {otherFiles} from '../../../../cli/control/config/read-directory.js';
import {loadNative} from '../../../../cli/native.js';
import {makeTemporaryDirectory} from '../../helpers/temporary-directory.js';

test('whatever is written can be found again, and nothing that settings are called is taken for it', t => {
	for (const name of [...loadNative().options().map(option => option.name), ...Object.values(otherFiles), journalName]) {
		t.true(isTemporaryFile(temporaryFile(name)), `${name}`);
		t.true(temporaryFile(name).startsWith('.'));
		t.false(isTemporaryFile(name));
		t.false(isTemporaryFile(`.${name}`));
	}

	for (const name of ['', '.rsconfig', '..rsconfig', '.a.rsconfig.bak', 'a.rsconfig', '.a b.rsconfig', './a.rsconfig', '.a/b.rsconfig']) {
		t.false(isTemporaryFile(name), `\`${name}\``);
	}
});

test('a directory is found by the one that it was for', t => {
	const root = makeTemporaryDirectory(t);
	for (const directory of [path.join(root, 'rsocket'), path.join(root, 'a.b+c'), 'relative', `${root}/slash/`]) {
		const made = path.basename(mkdtempSync(path.join(root, temporaryDirectory(directory))));
		t.true(isTemporaryDirectory(made, directory), `${made}`);
		t.false(isTemporaryDirectory(made, path.join(root, 'other')));
		t.false(isTemporaryDirectory(`${made}x`, directory));
		t.false(isTemporaryDirectory(made.slice(0, -1), directory));
		t.false(isTemporaryDirectory(made.slice(1), directory));
	}

	// Its name is no pattern.
	t.false(isTemporaryDirectory('.aXb.rsconfig-abc123', '/a.b'));
	t.false(isTemporaryDirectory('.rsocket2.rsconfig-abc123', '/etc/rdma/rsocket'));
});
