import path from 'node:path';
import test from 'ava';
import {CliError, stats} from '../../../../cli/index.js';
import {makeTrace} from '../../helpers/make-area.js';
import {startPromoted} from '../../helpers/stat.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

test('one snapshot is what all else is made of', async t => {
	const {pid, ends} = await startPromoted(t);
	const snapshot = stats.snapshot({pids: [pid]});
	t.deepEqual(snapshot.connections.map(({fd}) => fd).toSorted((a, b) => a - b), ends.map(({fd}) => fd).toSorted((a, b) => a - b));
	t.like(stats.summary(snapshot), {processes: 1, connections: 2, promoted: 2, programs: {node: {connections: 2, promoted: 2}}});
	const metrics = await stats.metrics(snapshot);
	t.true(metrics.includes(`rsocket_connections{pid="${pid}",program="node",transport="shm",reason="promoted"} 2\n`));
	t.true(metrics.includes('rsocket_processes 1\n'));
	t.is(stats.connections({pids: [pid]}).length, 2);
	t.true(stats.connections().filter(connection => connection.pid === pid).length === 2);
	t.true(stats.summary().connections >= 2);
	t.deepEqual(stats.connections({pids: [4_194_304]}), []);
	t.like(stats.trace(pid)[0], {pid, program: 'node'});
});

test('a trace from a file', t => {
	t.like(stats.trace(writeTemporaryFile(makeTemporaryDirectory(t), 'trace', makeTrace({pid: 7, program: 'dead'})))[0], {pid: 7, program: 'dead'});
	// A path, though it looks like a pid.
	t.throws(() => stats.trace('1'), {instanceOf: CliError, message: '1 is no file that can be read'});
});

test('what is not there', async t => {
	t.throws(() => stats.trace(4_194_304), {instanceOf: CliError, message: /^there is no process 4194304/});
	t.throws(() => stats.trace(path.join(makeTemporaryDirectory(t), 'none')), {instanceOf: CliError, message: /is no file that can be read/});
	await t.throwsAsync(stats.why('4194304:3'), {instanceOf: CliError, message: /^no connection that can be seen/});
});
