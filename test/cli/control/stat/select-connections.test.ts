import process from 'node:process';
import test from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {filterValues, judgeLook, look, parseFilter, parseNumber, type Filter} from '../../../../cli/control/stat/select-connections.js';
import {type Context} from '../../../../cli/control/tool/tool.js';
import {loadNative} from '../../../../cli/native.js';
import {addProcess, makeArea} from '../../helpers/make-area.js';
import {makeTemporaryDirectory} from '../../helpers/temporary-directory.js';

const native = loadNative();
const reasons = native.reasons();
const all: Filter = {pids: [], ports: [], transports: [], reasons: []};
const codeOf = (index: number): string => reasons[index]!.code;

test('what was asked for becomes numbers and names', t => {
	t.deepEqual(parseFilter({}, reasons), all);
	t.deepEqual(parseFilter({pid: ['1', '4194304'], port: ['65535', '01'], transport: ['shm'], reason: ['promoted']}, reasons), {
		pids: [1, 4_194_304], ports: [65_535, 1], transports: ['shm'], reasons: ['promoted'],
	});
});

test('what cannot fit anything is refused, with what could', t => {
	for (const [args, message, remedy] of [
		[{pid: ['0']}, '--pid 0 is not a number from 1 to 4194304', 'Give --pid such a number.'],
		[{pid: ['1', 'x']}, '--pid x is not a number from 1 to 4194304', 'Give --pid such a number.'],
		[{pid: ['4194305']}, '--pid 4194305 is not a number from 1 to 4194304', 'Give --pid such a number.'],
		[{port: ['65536']}, '--port 65536 is not a number from 1 to 65535', 'Give --port such a number.'],
		[{port: ['-1']}, '--port -1 is not a number from 1 to 65535', 'Give --port such a number.'],
		[{reason: ['promotd']}, 'there is no reason promotd', 'Did you mean promoted?'],
	] as const) {
		const error = t.throws(() => parseFilter(args, reasons), {instanceOf: CliError});
		t.is(error.message, message);
		t.is(error.remedy, remedy);
	}

	t.regex(t.throws(() => parseFilter({reason: ['zzzzzzzzz']}, reasons), {instanceOf: CliError}).remedy, /^Reasons: .*promoted/);
});

test('numbers are digits only', t => {
	t.is(parseNumber('port', '80', 1, 80), 80);
	for (const text of ['', ' 80', '80 ', '8e1', '0x50', '80.0', '81', '0', '9'.repeat(30)]) {
		t.throws(() => parseNumber('port', text, 1, 80), {instanceOf: CliError, message: `--port ${text} is not a number from 1 to 80`}, `${text}`);
	}
});

/** Two processes: one with a connection over shared memory and a half-promoted one, one with a connection that stays. */
function makeRoot(t: Parameters<typeof makeTemporaryDirectory>[0]): string {
	const root = makeTemporaryDirectory(t);
	const localhost = {localAddr: [127, 0, 0, 1], peerAddr: [127, 0, 0, 1]} as unknown as {localAddr: Uint8Array; peerAddr: Uint8Array};
	addProcess(root, 7, {area: {bytes: makeArea({pid: 7, records: [
		{fd: 3, ...localhost, localPort: 80, peerPort: 5000, sendTransport: 1, recvTransport: 1, reason: 1},
		{fd: 4, ...localhost, localPort: 81, peerPort: 5001, sendTransport: 1, reason: 2},
	]}), inode: 1}});
	addProcess(root, 8, {area: {bytes: makeArea({pid: 8, records: [{fd: 3, ...localhost, localPort: 5000, peerPort: 8080, reason: 2}]}), inode: 2}});
	addProcess(root, 9);
	return root;
}

test('every list must fit, and of each list one', t => {
	const root = makeRoot(t);
	const find = (filter: Partial<Filter>): string[] => look({...all, ...filter}, native, root).connections.map(({pid, fd}) => `${pid}:${fd}`);
	t.deepEqual(find({}), ['7:3', '7:4', '8:3']);
	t.deepEqual(find({pids: [8, 99]}), ['8:3']);
	t.deepEqual(find({ports: [5000]}), ['7:3', '8:3']);
	t.deepEqual(find({ports: [80, 81]}), ['7:3', '7:4']);
	t.deepEqual(find({ports: [808]}), []);
	t.deepEqual(find({transports: ['tcp']}), ['7:4', '8:3']);
	t.deepEqual(find({transports: ['shm']}), ['7:3', '7:4']);
	t.deepEqual(find({transports: ['verbs']}), []);
	t.deepEqual(find({reasons: [codeOf(2)]}), ['7:4', '8:3']);
	t.deepEqual(find({reasons: [codeOf(2)], transports: ['shm']}), ['7:4']);
	t.deepEqual(find({reasons: [codeOf(1)], ports: [81]}), []);
});

test('of processes only those that have such connections, unless they were asked for', t => {
	const root = makeRoot(t);
	const pids = (filter: Partial<Filter>): number[] => look({...all, ...filter}, native, root).processes.map(({pid}) => pid);
	t.deepEqual(pids({}), [7, 8]);
	t.deepEqual(pids({transports: ['shm']}), [7]);
	t.deepEqual(pids({ports: [1]}), []);
	t.deepEqual(pids({pids: [8]}), [8]);
});

test('a process that is not there is told, each once, and is no success', t => {
	const root = makeRoot(t);
	const warnings: string[] = [];
	const judge = (pids: readonly number[]): number => judgeLook({...all, pids}, text => {
		warnings.push(text);
	}, root);
	t.is(judge([]), 0);
	// It has no connection, but it is there.
	t.is(judge([7, 9]), 0);
	t.deepEqual(warnings, []);
	t.is(judge([98, 7, 99]), 1);
	t.deepEqual(warnings, ['there is no process 98', 'there is no process 99']);
	t.is(judgeLook({...all, pids: [process.pid]}, () => {
		t.fail();
	}), 0);
});

test('reasons are completed with what they mean', t => {
	const lines = filterValues['reason']!({native} as unknown as Context);
	t.is(lines.length, reasons.length);
	t.true(lines.every(line => /^[a-z-]+\t\S/.test(line)));
});
