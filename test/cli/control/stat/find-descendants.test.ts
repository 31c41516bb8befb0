import {spawn} from 'node:child_process';
import {once} from 'node:events';
import process from 'node:process';
import test from 'ava';
import {findDescendants} from '../../../../cli/control/stat/find-descendants.js';
import {addProcess} from '../../helpers/make-area.js';
import {makeTemporaryDirectory} from '../../helpers/temporary-directory.js';

test('a process, its children, and theirs', async t => {
	const child = spawn('/bin/sh', ['-c', 'sleep 100 & echo $!; wait']);
	t.teardown(() => {
		child.kill('SIGKILL');
		process.kill(grandchild, 'SIGKILL');
	});
	const [line] = await once(child.stdout, 'data') as [Uint8Array];
	const grandchild = Number(line.toString());
	t.deepEqual(findDescendants(child.pid!), [child.pid!, grandchild]);
	t.true(findDescendants(process.pid).includes(grandchild));
	t.deepEqual(findDescendants(grandchild), [grandchild]);
});

test('each generation behind the one before, and nobody of another family', t => {
	const root = makeTemporaryDirectory(t);
	for (const [pid, parent] of [[10, 1], [11, 20], [20, 10], [30, 10], [31, 1], [40, 31]] as const) {
		addProcess(root, pid, {parent});
	}

	t.deepEqual(findDescendants(10, root), [10, 20, 30, 11]);
	t.deepEqual(findDescendants(31, root), [31, 40]);
	t.deepEqual(findDescendants(99, root), [99]);
});

test('pids that are used again while they are read make no endless family', t => {
	const root = makeTemporaryDirectory(t);
	for (const [pid, parent] of [[10, 11], [11, 10]] as const) {
		addProcess(root, pid, {parent});
	}

	t.deepEqual(findDescendants(10, root), [10, 11]);
});
