import {spawnSync} from 'node:child_process';
import {mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import {URL} from 'node:url';
import test, {type ExecutionContext} from 'ava';
import {findLeftovers} from '../../../../cli/control/check/find-leftovers.js';
import {temporaryDirectory as directoryName, temporaryFile} from '../../../../cli/control/config/temporary-names.js';
import {makeTemporaryDirectory} from '../../helpers/temporary-directory.js';

const now = Date.now();

function makeOld(file: string): string {
	mkdirSync(file, {recursive: true});
	utimesSync(file, (now / 1000) - 3600, (now / 1000) - 3600);
	return file;
}

function makePlace(t: ExecutionContext) {
	const temporaryDirectory = makeTemporaryDirectory(t);
	const configDirectory = path.join(makeTemporaryDirectory(t), 'rsocket');
	const root = makeTemporaryDirectory(t);
	mkdirSync(configDirectory);
	return {root, temporaryDirectory, search: {temporaryDirectory, configDirectory, uid: process.getuid?.(), now}};
}

test('only old files of ours', t => {
	const {root, temporaryDirectory, search} = makePlace(t);
	const {configDirectory} = search;
	const left = [makeOld(path.join(temporaryDirectory, 'rsrun-AbC123')), makeOld(path.join(temporaryDirectory, 'rscheck-999999999-AbC123')), makeOld(path.join(configDirectory, temporaryFile('rules'))), makeOld(`${path.join(path.dirname(configDirectory), directoryName(configDirectory))}AbC123`)];
	for (const name of ['rsrun-x', 'other-AbC123', 'rsrun-AbC123.txt']) {
		makeOld(path.join(temporaryDirectory, name));
	}

	mkdirSync(path.join(temporaryDirectory, 'rsrun-Young1'));
	writeFileSync(path.join(configDirectory, '.hidden'), '');
	t.deepEqual(findLeftovers(search, root).toSorted(), left.toSorted());
	t.deepEqual(findLeftovers({...search, uid: 123_456_789}, root), []);
	t.deepEqual(findLeftovers({...search, temporaryDirectory: '/nowhere', configDirectory: '/nowhere/x'}, root), []);
});

test('what a killed rsconfig leaves is found', t => {
	const {root, search} = makePlace(t);
	const {configDirectory} = search;
	const script = `import fs from 'node:fs';
		import {syncBuiltinESMExports} from 'node:module';
		const die = () => process.kill(process.pid, 'SIGKILL');
		fs.fsyncSync = die;
		syncBuiltinESMExports();
		const {writeDirectory} = await import(${JSON.stringify(new URL('../../../../cli/control/config/write-directory.js', import.meta.url).href)});
		const {loadNative} = await import(${JSON.stringify(new URL('../../../../cli/native.js', import.meta.url).href)});
		writeDirectory(process.argv[1], new Map(process.argv.slice(2).map(name => [name, '1'])), loadNative());`;
	for (const names of [['a', 'b'], ['a']]) {
		t.is(spawnSync(process.execPath, ['--input-type=module', '-e', script, configDirectory, ...names], {env: {...process.env, NODE_V8_COVERAGE: undefined}}).signal, 'SIGKILL');
		const left = findLeftovers({...search, now: now + 3_600_000}, root);
		t.is(left.length, 1, `${names.join(' ')}`);
		rmSync(left[0] ?? '', {recursive: true});
	}
});

test('whose maker lives', t => {
	const {root, temporaryDirectory, search} = makePlace(t);
	mkdirSync(path.join(root, '42'));
	makeOld(path.join(temporaryDirectory, 'rscheck-42-AbC123'));
	const left = makeOld(path.join(temporaryDirectory, 'rscheck-43-AbC123'));
	t.deepEqual(findLeftovers(search, root), [left]);
});

for (const [how, use] of [
	['the environment', (directory: string, file: string) => {
		writeFileSync(path.join(directory, 'environ'), `RSOCKET_REPORT=${file}/report\0`);
	}],
	['a mapping', (directory: string, file: string) => {
		writeFileSync(path.join(directory, 'maps'), `7f00-7f01 rw-s 0 00:00 1 ${file}/report\n`);
	}],
	['a descriptor', (directory: string, file: string) => {
		mkdirSync(path.join(directory, 'fd'));
		symlinkSync(`${file}/log`, path.join(directory, 'fd', '3'));
	}],
	['the working directory', (directory: string, file: string) => {
		symlinkSync(file, path.join(directory, 'cwd'));
	}],
] as const) {
	test(`in use by ${how}`, t => {
		const {root, temporaryDirectory, search} = makePlace(t);
		const file = makeOld(path.join(temporaryDirectory, 'rsrun-AbC123'));
		mkdirSync(path.join(root, '42'));
		t.deepEqual(findLeftovers(search, root), [file]);
		use(path.join(root, '42'), file);
		t.deepEqual(findLeftovers(search, root), []);
	});
}
