import {chmodSync, copyFileSync, mkdirSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {examineToolkit} from '../../../../cli/control/check/examine-toolkit.js';
import {preloadLibrary} from '../../../../cli/native.js';
import {makeRoot} from '../../helpers/make-root.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

test('ours is there', t => {
	t.like(examineToolkit(makeRoot(t, {}), preloadLibrary, '')[0], {code: 'library', level: 'good', text: preloadLibrary});
});

test('missing and broken ones', t => {
	t.like(examineToolkit('/', '/nowhere/librspreload.so', '')[0], {code: 'library', level: 'bad'});
	t.like(examineToolkit('/', writeTemporaryFile(makeTemporaryDirectory(t), 'librspreload.so', 'not ELF'), '')[0], {level: 'bad'});
});

test('a path that cannot be preloaded, and that others cannot reach', t => {
	const directory = path.join(makeTemporaryDirectory(t), 'with space');
	mkdirSync(directory);
	const library = path.join(directory, 'librspreload.so');
	copyFileSync(preloadLibrary, library);
	chmodSync(library, 0o755);
	const findings = examineToolkit(makeRoot(t, {}), library, '');
	t.true(findings.some(({code, level}) => code === 'library-path' && level === 'bad'));
	t.true(findings.some(({code, remedy}) => code === 'library-access' && remedy === `chmod o+rx ${path.dirname(directory)}`));
});

test('other libraries that are preloaded', t => {
	const findings = examineToolkit(makeRoot(t, {'etc/ld.so.preload': '/lib/a.so\n/lib/b.so\n'}), preloadLibrary, '/lib/c.so');
	t.regex(findings.find(({code}) => code === 'ld-so-preload')?.text ?? '', /\/lib\/a\.so \/lib\/b\.so/);
	t.regex(findings.find(({code}) => code === 'ld-preload')?.text ?? '', /\/lib\/c\.so/);
});
