import test from 'ava';
import {compareDirectories} from '../../../../cli/control/config/compare-directories.js';
import {readDirectory, type Directory} from '../../../../cli/control/config/read-directory.js';
import {loadNative} from '../../../../cli/native.js';
import {makeRoot} from '../../helpers/make-root.js';

const native = loadNative();

/** Both looks are at one path. */
function look(t: Parameters<typeof makeRoot>[0], files: Readonly<Record<string, string>>): Directory {
	const root = makeRoot(t, files);
	const directory = readDirectory(root, native);
	return {...directory, path: '/d', faults: directory.faults.map(fault => ({...fault, file: fault.file.replace(root, '/d')}))};
}

test('what came, went, changed and stayed', t => {
	const before = look(t, {polling_time: '1', ring_size: '64', transport: 'shm'});
	const after = look(t, {polling_time: '2', rules: '# none\n', transport: 'shm'});
	t.deepEqual(compareDirectories(before, after), [
		{file: '/d/polling_time', before: '1\n', after: '2\n', faults: []},
		{file: '/d/ring_size', before: '64\n', after: null, faults: []},
		{file: '/d/rules', before: null, after: '# none\n', faults: []},
	]);
	t.deepEqual(compareDirectories(after, after), []);
});

test('a fault that comes, stays, or goes', t => {
	const good = look(t, {polling_time: '1'});
	const bad = look(t, {polling_time: 'x'});
	t.like(compareDirectories(good, bad), [{file: '/d/polling_time', before: '1\n', after: null, faults: [{line: 1}]}]);
	t.deepEqual(compareDirectories(bad, look(t, {polling_time: 'x'})), []);
	t.like(compareDirectories(bad, look(t, {polling_time: 'y'})), [{before: null, after: null, faults: [{line: 1}]}]);
	t.like(compareDirectories(bad, good), [{before: null, after: '1\n', faults: []}]);
});
