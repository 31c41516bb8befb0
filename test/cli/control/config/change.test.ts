import {existsSync, readFileSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {contentsOf, perform} from '../../../../cli/control/config/change.js';
import {loadNative} from '../../../../cli/native.js';
import {toRaw} from '../../../../cli/control/raw.js';
import {makeRoot} from '../../helpers/make-root.js';
import {contentsOf as filesOf} from '../../helpers/run-config.js';

const native = loadNative();

test('the contents of files as they are written', t => {
	const contents = contentsOf({values: new Map([['polling_time', '1']]), rules: '#\n', preload: undefined, profile: 'latency'});
	t.deepEqual([...contents], [['polling_time', '1\n'], ['rules', '#\n'], ['preload_config', undefined], ['applied_profile', 'latency\n']]);
});

test('only what really changes is written and told', t => {
	const directory = makeRoot(t, {polling_time: '1\n', ring_size: '64\n', mem_default: '64\n'});
	const edit = {
		directory, changes: new Map([['polling_time', '1\n'], ['ring_size', '128\n'], ['mem_default', undefined], ['transport', 'shm\n'], ['sqsize_default', undefined]]),
		before: new Map<string, string | undefined>([['polling_time', '1\n'], ['ring_size', '64\n'], ['mem_default', '64\n']]),
	};
	const told = [
		{file: `${directory}/ring_size`, before: '64\n', after: '128\n'}, {file: `${directory}/mem_default`, before: '64\n', after: null}, {file: `${directory}/transport`, before: null, after: 'shm\n'},
	];
	t.deepEqual(perform(edit, {isDryRun: true, native}), told);
	t.deepEqual(filesOf(directory), {polling_time: '1\n', ring_size: '64\n', mem_default: '64\n'});
	t.deepEqual(perform(edit, {native}), told);
	t.deepEqual(filesOf(directory), {polling_time: '1\n', ring_size: '128\n', transport: 'shm\n'});
});

test('bytes are told as the text that they are', t => {
	const directory = makeRoot(t, {});
	const edit = {directory, changes: new Map([['rules', toRaw('use tcp * caf\u00E9 *\n')]]), before: new Map([['rules', toRaw('# \u20AC\n')]])};
	t.deepEqual(perform(edit, {native}), [{file: `${directory}/rules`, before: '# \u20AC\n', after: 'use tcp * caf\u00E9 *\n'}]);
	t.is(readFileSync(path.join(directory, 'rules'), 'utf8'), 'use tcp * caf\u00E9 *\n');
});

test('nothing to change makes no directory', t => {
	const directory = path.join(makeRoot(t, {}), 'settings');
	t.deepEqual(perform({directory, changes: new Map([['polling_time', undefined]]), before: new Map()}, {native}), []);
	t.false(existsSync(directory));
	t.is(perform({directory, changes: new Map([['polling_time', '1\n']]), before: new Map()}, {native}).length, 1);
	t.is(readFileSync(path.join(directory, 'polling_time'), 'utf8'), '1\n');
});
