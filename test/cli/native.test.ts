import {Buffer} from 'node:buffer';
import {spawnSync} from 'node:child_process';
import {
	closeSync, openSync, readFileSync, statSync, truncateSync, writeSync,
} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import {toRaw} from '../../cli/control/raw.js';
import {loadNative} from '../../cli/native.js';
import {makeTemporaryDirectory, writeTemporaryFile} from './helpers/temporary-directory.js';

const native = loadNative();

/** Offsets of core/stats.h, written down here a second time on purpose: other processes rely on them. */
const headSize = 256;
const recordSize = 256;
const headNext = 20;

function makeReport(t: Parameters<typeof makeTemporaryDirectory>[0], capacity: number): string {
	const file = path.join(makeTemporaryDirectory(t), 'report');
	native.statsCreate(toRaw(file), capacity);
	return file;
}

function poke(file: string, offset: number, bytes: Uint8Array): void {
	const fd = openSync(file, 'r+');
	writeSync(fd, bytes, 0, bytes.length, offset);
	closeSync(fd);
}

function word(value: number): Buffer {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32LE(value);
	return bytes;
}

test('the tables have rows', t => {
	t.like(native.options().find(({name}) => name === 'transport'), {values: 'auto|shm|tcp', default: 0, unit: 'enum'});
	t.is(native.reasons()[1]?.code, 'promoted');
});

test('optionParse returns numbers and names of errors', t => {
	const parse = (name: string, text: string) => native.optionParse(toRaw(name), toRaw(text));
	t.is(parse('ring_size', '64'), 64);
	t.is(parse('ring_size', '0X40\n'), 64);
	t.is(parse('transport', 'tcp'), 2);
	t.is(parse('transport', 'tc'), 'EINVAL');
	t.is(parse('transport', '2'), 'EINVAL');
	t.is(parse('ring_size', '64\n\n'), 'EINVAL');
	t.is(parse('ring_size', '-'), 'EINVAL');
	t.is(parse('ring_size', '-1'), 'ERANGE');
	t.is(parse('nothing', '1'), 'ENOENT');
});

test('a new report is empty, private and fully allocated', t => {
	const file = makeReport(t, 16);
	const status = statSync(file);
	t.is(status.size, headSize + (16 * recordSize));
	t.is(status.mode & 0o777, 0o600);
	t.true(status.blocks * 512 >= status.size);
	t.deepEqual(native.statsRead(toRaw(file), 16), {connections: [], dropped: 0});
});

test('a report does not replace a file', t => {
	const file = makeReport(t, 1);
	t.true(t.throws(() => {
		native.statsCreate(toRaw(file), 1);
	}, {instanceOf: Error, code: 'EEXIST'}).message.includes('File exists'));
});

test('records come back as they were written', t => {
	const file = makeReport(t, 4);
	const record = Buffer.alloc(recordSize);
	record.writeUInt32LE(2, 0);
	record.writeUInt32LE(4242, 4);
	record.writeInt32LE(9, 8);
	record.writeUInt32LE(1, 12);
	record.set([1, 0, 2, 1], 16);
	record.writeUInt16LE(80, 20);
	record.writeUInt16LE(5000, 22);
	record.set([127, 0, 0, 1], 24);
	record.set([127, 0, 0, 2], 40);
	for (let index = 0; index < 11; index++) {
		record.writeBigUInt64LE(BigInt(1000 + index), 56 + (index * 8));
	}

	record.write('server', 144);
	record.writeUInt16LE(7, 176);
	poke(file, headSize + recordSize, record);
	poke(file, headNext, word(3));
	const {connections, dropped} = native.statsRead(toRaw(file), 4);
	t.is(dropped, 0);
	t.is(connections.length, 1);
	t.like(connections[0], {
		state: 2, pid: 4242, fd: 9, reason: 1, sendTransport: 1, recvTransport: 0, family: 2, accepted: true, localPort: 80, peerPort: 5000,
		openedNs: 1000n, promotedNs: 1001n, closedNs: 1002n, recvBytes: 1003, sendBytes: 1004, recvCalls: 1005, sendCalls: 1006,
		shmRecvBytes: 1007, shmSendBytes: 1008, sleeps: 1009, spins: 1010, program: 'server', settingsLine: 7,
	});
	t.deepEqual([...connections[0]?.peerAddr.subarray(0, 4) ?? []], [127, 0, 0, 2]);
});

test('connections without room are counted', t => {
	const file = makeReport(t, 2);
	poke(file, headNext, word(7));
	t.is(native.statsRead(toRaw(file), 2).dropped, 5);
});

test('what is no report is EINVAL', t => {
	const file = makeReport(t, 4);
	const good = readFileSync(file);
	const directory = makeTemporaryDirectory(t);
	const read = (name: string) => () => native.statsRead(toRaw(name), 4);
	for (const offset of [0, 8, 12]) {
		const bad = Buffer.from(good);
		bad.writeUInt8(0x99, offset);
		t.throws(read(writeTemporaryFile(directory, 'bad', bad)), {code: 'EINVAL'}, `offset ${offset}`);
	}

	truncateSync(file, good.length - 1);
	t.throws(read(file), {code: 'EINVAL'});
	t.throws(read(writeTemporaryFile(directory, 'empty', '')), {code: 'EINVAL'});
	t.throws(read(path.join(directory, 'missing')), {code: 'ENOENT'});
});

/** In a program of its own: this one has descriptors and signals that others rely on. */
const failedExec = `
	import {readFileSync} from 'node:fs';
	import {loadNative} from ${JSON.stringify(new URL('../../cli/native.js', import.meta.url).href)};
	const state = () => readFileSync('/proc/self/status', 'utf8').match(/^Sig(?:Blk|Ign|Cgt).*$/mg).join() + readFileSync('/proc/self/limits', 'utf8').match(/^Max open files.*$/m) + readFileSync('/proc/self/fdinfo/1', 'utf8');
	process.on('SIGUSR2', () => console.log('heard'));
	await new Promise(setImmediate);
	const before = state();
	try {
		loadNative().execve('/nowhere', ['x'], [], {ignoredSignals: [13], blockedSignals: [10, 12], descriptors: [1], openFilesSoft: 20});
	} catch (error) {
		console.log(error.code, state() === before);
	}

	process.kill(process.pid, 'SIGUSR2');
	await new Promise(resolve => setTimeout(resolve, 50));
`;

test('after an execve that fails, signals, limits and descriptors are as before', t => {
	const {stdout, stderr, status} = spawnSync(process.execPath, ['--input-type=module', '-e', failedExec], {encoding: 'utf8'});
	t.is(stderr, '');
	t.is(status, 0);
	t.is(stdout, 'ENOENT true\nheard\n');
});
