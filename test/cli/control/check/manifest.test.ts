import {mkdirSync, readFileSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {loadManifests, ownApps, readManifest, type Manifest} from '../../../../cli/control/check/manifest.js';
import {CliError} from '../../../../cli/control/cli-error.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

const good = {
	name: 'app', about: 'nothing', packages: {}, start: [{run: ['server'], ready: {port: 'port'}}],
	exercise: [{name: 'step', run: ['client']}], verify: {step: '.'}, promotes: 1,
};

test('our own are all sound, and are many', t => {
	const manifests = loadManifests([]);
	t.true(manifests.length >= 30);
	t.true(manifests.every(({exercise, verify}) => exercise.some(({name}) => verify[name] !== undefined)));
	t.true(manifests.filter(({packages}) => packages.npm).length >= 3);
	t.deepEqual(loadManifests(['redis']).map(({name}) => name), ['redis']);
});

test('each is called as its file', t => {
	for (const {name} of loadManifests([])) {
		t.is((JSON.parse(readFileSync(path.join(ownApps, `${name}.json`), 'utf8')) as Manifest).name, name);
	}
});

test('files and directories', t => {
	const directory = makeTemporaryDirectory(t);
	const file = writeTemporaryFile(directory, 'one.json', JSON.stringify(good));
	writeTemporaryFile(directory, 'two.json', JSON.stringify({...good, name: 'b'}));
	writeTemporaryFile(directory, 'README', 'no manifest');
	t.deepEqual(loadManifests([directory]).map(({name}) => name), ['app', 'b']);
	t.is(readManifest(file).programs, path.join(directory, 'programs'));
	t.throws(() => loadManifests([file, directory]), {message: /two manifests are called app/});
});

test('what cannot be found', t => {
	const error = t.throws(() => loadManifests(['redsi']), {instanceOf: CliError});
	t.regex(error?.remedy ?? '', /Did you mean redis\?/);
	t.throws(() => loadManifests(['./nowhere.json']), {message: /ENOENT/});
	const empty = path.join(makeTemporaryDirectory(t), 'empty');
	mkdirSync(empty);
	t.throws(() => loadManifests([empty]), {message: /holds no manifests/});
});

for (const [what, change, message] of [
	['an unknown property', {strat: []}, /strat/], ['a port without a name', {start: [{run: ['x'], ready: {port: 'http'}}]}, /waits for a port http/],
	['two steps of one name', {exercise: [{name: 'step', run: ['x']}, {name: 'step', run: ['y']}]}, /two steps of exercise are called step/],
	['a verification of nothing', {verify: {other: '.'}}, /verify speaks of other/], ['a broken pattern', {verify: {step: '('}}, /verify\.step/], ['a name with a slash', {name: '../x'}, /name/],
	['no step', {exercise: []}, /exercise/], ['a file outside', {files: {'../x': 'text'}}, /files/],
	['another one', {files: {'a/../../x': 'text'}}, /files/], ['a directory outside', {directories: {'a/..': ''}}, /directories/],
] as const) {
	test(`${what} is an error that says so`, t => {
		const file = writeTemporaryFile(makeTemporaryDirectory(t), 'app.json', JSON.stringify({...good, ...change}));
		const error = t.throws(() => readManifest(file), {instanceOf: CliError, message});
		t.true(error?.message.startsWith(`${file}: `));
	});
}
