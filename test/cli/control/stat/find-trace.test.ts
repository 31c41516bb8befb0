import {Buffer} from 'node:buffer';
import {mkdirSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {findStory, readFileTraces, requireProcessTraces, traceDirectories} from '../../../../cli/control/stat/find-trace.js';
import {loadNative} from '../../../../cli/native.js';
import {addProcess, makeArea, makeTrace} from '../../helpers/make-area.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

const native = loadNative();
const promoted = native.reasons().findIndex(({code}) => code === 'promoted');
const pageSize = 4096;
/** What is read at once of a file. */
const chunkSize = 256 * pageSize;

test('the events of a file, in words', t => {
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'trace', makeTrace({
		pid: 7, program: 'server', startedNs: 1_700_000_000_000_000_000n, events: [
			{timeNs: 1_700_000_001_500_000_000n, openedNs: 5n, kind: 0, value: 1}, {timeNs: 1_700_000_002_000_000_000n, openedNs: 5n, kind: 1, reason: promoted, fd: 9, errno: 32}, {kind: 77, reason: 7777},
		],
	}));
	const [log, ...rest] = readFileTraces(file, native);
	t.deepEqual(rest, []);
	t.like(log, {pid: 7, program: 'server', since: '2023-11-14T22:13:20.000Z', total: 3});
	t.like(log?.events[0], {time: '2023-11-14T22:13:21.500Z', timeNs: '1700000001500000000', kind: 'opened', value: 1, openedNs: '5', error: '', pid: 7, fd: 3});
	t.like(log?.events[1], {kind: 'reason', reason: 'promoted', error: 'EPIPE', fd: 9});
	t.like(log?.events[2], {kind: 'unknown', reason: 'reason 7777'});
});

test('of more events than there is room for, the last ones', t => {
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'trace', makeTrace({pid: 7, events: Array.from({length: 300}, (_, index) => ({value: index}))}));
	const [log] = readFileTraces(file, native);
	t.is(log?.total, 300);
	t.deepEqual([log?.events.length, log?.events[0]?.value, log?.events.at(-1)?.value], [256, 44, 299]);
});

test('every trace of a core, at any page, also across the pieces in which it is read', t => {
	const trace = (pid: number) => Buffer.concat([makeTrace({pid}), Buffer.alloc(pageSize)]).subarray(0, 5 * pageSize);
	const directory = makeTemporaryDirectory(t);
	for (const before of [0, pageSize, chunkSize - (2 * pageSize), chunkSize - pageSize, chunkSize]) {
		const file = writeTemporaryFile(directory, 'core', Buffer.concat([Buffer.alloc(before, 1), trace(7), Buffer.alloc(2 * pageSize, 2), trace(8)]));
		t.deepEqual(readFileTraces(file, native).map(({pid}) => pid), [7, 8], `${before} bytes before it`);
	}
});

test('what holds no trace, or only a part of one', t => {
	const directory = makeTemporaryDirectory(t);
	const whole = makeTrace({pid: 7});
	const other = makeTrace({pid: 7});
	other.writeUInt32LE(2, 8);
	for (const [name, bytes] of [['empty', ''], ['text', 'text'], ['cut', whole.subarray(0, -1)], ['shifted', Buffer.concat([Buffer.alloc(100), whole])], ['newer', other]] as const) {
		const file = writeTemporaryFile(directory, name, bytes);
		const error = t.throws(() => readFileTraces(file, native), {instanceOf: CliError}, `${name}`);
		t.is(error.message, `${file} holds no trace of this version`);
		t.is(error.code, 'no-trace');
		t.regex(error.remedy, /RSOCKET_TRACE=FILE/);
	}
});

test('what is no file that can be read', t => {
	const directory = makeTemporaryDirectory(t);
	for (const file of [path.join(directory, 'none'), directory, '/dev/zero', '']) {
		const error = t.throws(() => readFileTraces(file, native), {instanceOf: CliError}, `${file}`);
		t.is(error.message, `${file} is no file that can be read`);
		t.regex(error.remedy, /^Give the pid of a process, a file/);
	}
});

test('of a living process: all that it can reach', t => {
	const root = makeTemporaryDirectory(t);
	addProcess(root, 7, {area: {bytes: makeArea({pid: 7, program: 'own', events: [{openedNs: 1n, timeNs: 9n}, {openedNs: 2n, timeNs: 7n}, {openedNs: 1n, timeNs: 8n}]}), inode: 1}});
	t.like(requireProcessTraces(7, native, [], root), [{program: 'own', total: 3}]);
	t.deepEqual(findStory(7, '1', native, root).map(({timeNs}) => timeNs), ['8', '9']);
	t.deepEqual(findStory(7, '3', native, root), []);
	t.deepEqual(findStory(99, '1', native, root), []);
});

test('of a dead one: the file that has its pid in its name, and in it', t => {
	const root = makeTemporaryDirectory(t);
	const empty = makeTemporaryDirectory(t);
	const directory = makeTemporaryDirectory(t);
	const find = (pid: number) => requireProcessTraces(pid, native, ['/nowhere', empty, directory], root).map(log => log.program);
	// Names with another number, with one that holds it, a directory, and the trace of another process that used this name.
	writeTemporaryFile(directory, 'a.1234', makeTrace({pid: 123, program: 'wrong'}));
	writeTemporaryFile(directory, 'a.123', makeTrace({pid: 124, program: 'wrong'}));
	mkdirSync(path.join(directory, 'b.123'));
	writeTemporaryFile(directory, 'c.123', 'no trace');
	t.throws(() => find(123), {instanceOf: CliError});
	writeTemporaryFile(directory, 'of-123.trace', makeTrace({pid: 123, program: 'right'}));
	t.deepEqual(find(123), ['right']);
	t.throws(() => find(23), {instanceOf: CliError});
});

test('a living process without a trace is not taken for a dead one', t => {
	const root = makeTemporaryDirectory(t);
	const directory = makeTemporaryDirectory(t);
	addProcess(root, 123);
	writeTemporaryFile(directory, 'of.123', makeTrace({pid: 123}));
	const error = t.throws(() => requireProcessTraces(123, native, [directory], root), {instanceOf: CliError});
	t.is(error.message, 'process 123 shows no trace');
	t.regex(error.remedy, /^rsstat lists processes with connections/);
});

test('nowhere: where it was looked for is told', t => {
	const root = makeTemporaryDirectory(t);
	const error = t.throws(() => requireProcessTraces(123, native, ['/nowhere', '/here'], root), {instanceOf: CliError});
	t.is(error.message, 'there is no process 123, and no file of its trace in /nowhere, /here');
	t.regex(error.remedy, /rsrun --trace=FILE/);
});

test('where people put such files, each place once', t => {
	const [first, second] = traceDirectories({RSOCKET_TRACE: '/srv/app/../trace/of-%p'});
	t.is(first, '/srv/trace');
	t.is(second, process.cwd());
	t.is(traceDirectories({})[0], process.cwd());
	t.is(traceDirectories({RSOCKET_TRACE: ''})[0], process.cwd());
	t.is(traceDirectories({RSOCKET_TRACE: 'trace'})[0], process.cwd());
	const all = traceDirectories({RSOCKET_TRACE: '/tmp/trace'});
	t.deepEqual([...new Set(all)], all);
	t.true(['/tmp', '/var/tmp'].every(directory => all.includes(directory)));
});
