import test from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {diffDirectory, diffDocuments} from '../../../../cli/control/config/diff.js';
import {readDirectory} from '../../../../cli/control/config/read-directory.js';
import {profilePairs, readProfile} from '../../../../cli/control/profiles/profiles.js';
import {loadNative} from '../../../../cli/native.js';
import {makeRoot} from '../../helpers/make-root.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

const native = loadNative();

test('differences are told by name, defaults filled in', t => {
	t.deepEqual(diffDocuments({version: 1, settings: {polling_time: 0, mem_default: '64K'}, rules: [{use: 'tcp'}]}, {version: 1, settings: {mem_default: 65_536}, rules: []}, native), [
		{name: 'polling_time', here: '0', there: String(native.options().find(({name}) => name === 'polling_time')?.default)},
		{name: 'rules', here: 'use tcp * * *:*', there: null},
	]);
	t.deepEqual(diffDocuments({version: 1, settings: {transport: 'auto'}}, {version: 1}, native), []);
	t.deepEqual(diffDocuments({version: 1}, {version: 1, preload: [{program: 'a', domain: '*', type: '*', protocol: '*'}, {program: 'b', domain: '*', type: '*', protocol: '*'}]}, native), [
		{name: 'preload_config', here: null, there: 'a * * *; b * * *'},
	]);
});

test('rules are compared as they would be installed, and their order counts', t => {
	const rule = {profile: 'latency', program: 'nginx'};
	const settings = Object.fromEntries(profilePairs(readProfile('latency', native), native).map(pair => pair.split('=') as [string, string]));
	t.deepEqual(diffDocuments({version: 1, rules: [rule]}, {version: 1, rules: [{set: settings, program: 'nginx'}]}, native), []);
	t.deepEqual(diffDocuments({version: 1, rules: [{use: 'tcp'}, {use: 'shm'}]}, {version: 1, rules: [{use: 'shm'}, {use: 'tcp'}]}, native), [
		{name: 'rules', here: 'use tcp * * *:*; use shm * * *:*', there: 'use shm * * *:*; use tcp * * *:*'},
	]);
});

test('a directory against the defaults, a profile, a document and a file of one', t => {
	const directory = readDirectory(makeRoot(t, {polling_time: '200\n', promote_after_calls: '1\n', rules: 'use tcp * * *:80\n'}), native);
	const names = (other?: Parameters<typeof diffDirectory>[1]) => diffDirectory(directory, other, native).differences.map(({name}) => name);
	t.deepEqual(names(), ['polling_time', 'promote_after_calls', 'rules']);
	// Of a profile only settings count.
	t.deepEqual(diffDirectory(directory, 'latency', native), {differences: [], isProfile: true});
	t.deepEqual(new Set(names('low-cpu')), new Set(['polling_time', 'promote_after_calls', 'promote_after_bytes']));
	const document = {version: 1, settings: {polling_time: '200us', promote_after_calls: 1}, rules: [{use: 'tcp', port: 80}]} as const;
	t.deepEqual(diffDirectory(directory, document, native), {differences: [], isProfile: false});
	t.deepEqual(names(writeTemporaryFile(makeTemporaryDirectory(t), 'c.json', JSON.stringify(document))), []);
	t.deepEqual(names({version: 1}), ['polling_time', 'promote_after_calls', 'rules']);
});

test('what is neither a profile nor a file is told as a file', t => {
	const directory = readDirectory('/nowhere', native);
	t.like(t.throws(() => diffDirectory(directory, 'latncy', native), {instanceOf: CliError}), {code: 'not-found'});
	t.like(t.throws(() => diffDirectory(directory, writeTemporaryFile(makeTemporaryDirectory(t), 'c.json', '{}'), native), {instanceOf: CliError}), {code: 'invalid'});
});
