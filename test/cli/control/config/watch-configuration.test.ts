import {renameSync, rmSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {type FileChange} from '../../../../cli/control/config/compare-directories.js';
import {watchConfiguration} from '../../../../cli/control/config/watch-configuration.js';
import {loadNative} from '../../../../cli/native.js';
import {makeRoot} from '../../helpers/make-root.js';
import {takeSteps} from '../../helpers/take-steps.js';

const native = loadNative();

/** What is told until each step's change has been: by what `isDone` finds in it. */
async function follow(directory: string, steps: ReadonlyArray<readonly [change: () => void, isDone: (told: FileChange) => boolean]>): Promise<{starts: unknown[]; changes: FileChange[]}> {
	const controller = new AbortController();
	const starts: unknown[] = [];
	const changes: FileChange[] = [];
	const {begin, tell} = takeSteps(steps, controller);

	await watchConfiguration(directory, {
		native, signal: controller.signal,
		onStart({exists, values, faults}) {
			starts.push({exists, values: Object.fromEntries(values), faults: faults.length});
			begin();
		},
		onChange(change) {
			changes.push(change);
			tell(change);
		},
	});
	return {starts, changes};
}

test('how it stands, then each file that changes', async t => {
	const directory = makeRoot(t, {polling_time: '5\n', ring_size: 'x\n'});
	const file = (name: string): string => path.join(directory, name);
	const {starts, changes} = await follow(directory, [
		[() => {
			writeFileSync(file('polling_time'), '7\n');
		}, ({after}) => after === '7\n'],
		// The same value in other words is no change; the good ring_size behind it is one.
		[() => {
			writeFileSync(file('polling_time'), '0x7');
			writeFileSync(file('ring_size'), '64\n');
		}, ({after}) => after === '64\n'],
		[() => {
			rmSync(file('ring_size'));
		}, ({after}) => after === null],
	]);
	t.deepEqual(starts, [{exists: true, values: {polling_time: '5'}, faults: 1}]);
	t.deepEqual(changes, [
		{file: file('polling_time'), before: '5\n', after: '7\n', faults: []},
		{file: file('ring_size'), before: null, after: '64\n', faults: []},
		{file: file('ring_size'), before: '64\n', after: null, faults: []},
	]);
});

test('a file in the place of the directory is a fault that goes again', async t => {
	const root = makeRoot(t, {'settings/polling_time': '5\n'});
	const directory = path.join(root, 'settings');
	const {changes} = await follow(directory, [
		[() => {
			renameSync(directory, path.join(root, 'aside'));
			writeFileSync(directory, '');
		}, ({faults}) => faults.length > 0],
		[() => {
			rmSync(directory);
			renameSync(path.join(root, 'aside'), directory);
		}, ({file, faults}) => file === directory && faults.length === 0],
	]);
	const fault = changes.find(({faults}) => faults.length > 0)?.faults[0];
	t.is(fault?.file, directory);
	t.regex(fault?.message ?? '', /cannot be read: ENOTDIR/);
	t.is(fault?.remedy, 'Make the directory readable again.');
});
