/** Areas and traces of processes (core/stats.h, core/trace.h), and a /proc that shows them. Offsets are written down here a second time on purpose: other processes rely on them. */
import {Buffer} from 'node:buffer';
import {mkdirSync, symlinkSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {type ConnectionRecord, type Totals} from '../../../cli/native.js';

const recordSize = 256;
const recordsOffset = 24_576;
const traceOffset = 4096;
const eventSize = 64;
const eventsMax = 256;
const totals = ['connections', 'promoted', 'recvBytes', 'sendBytes', 'recvCalls', 'sendCalls', 'shmRecvBytes', 'shmSendBytes', 'sleeps', 'spins'] as const;
const counters = ['recvBytes', 'sendBytes', 'recvCalls', 'sendCalls', 'shmRecvBytes', 'shmSendBytes', 'sleeps', 'spins'] as const;

/** Where `ended.connections` stands. */
export const endedOffset = 80;

export function makeRecord(record: Partial<ConnectionRecord>): Buffer {
	const bytes = Buffer.alloc(recordSize);
	bytes.writeUInt32LE(record.state ?? 1, 0);
	bytes.writeUInt32LE(record.pid ?? 0, 4);
	bytes.writeInt32LE(record.fd ?? 3, 8);
	bytes.writeUInt32LE(record.reason ?? 0, 12);
	bytes.set([record.sendTransport ?? 0, record.recvTransport ?? 0, record.family ?? 2, record.accepted ? 1 : 0], 16);
	bytes.writeUInt16LE(record.localPort ?? 0, 20);
	bytes.writeUInt16LE(record.peerPort ?? 0, 22);
	bytes.set(record.localAddr ?? [], 24);
	bytes.set(record.peerAddr ?? [], 40);
	for (const [index, name] of (['openedNs', 'promotedNs', 'closedNs'] as const).entries()) {
		bytes.writeBigUInt64LE(record[name] ?? 0n, 56 + (index * 8));
	}

	for (const [index, name] of counters.entries()) {
		bytes.writeBigUInt64LE(BigInt(record[name] ?? 0), 80 + (index * 8));
	}

	bytes.write(record.program ?? '', 144);
	bytes.writeUInt16LE(record.settingsLine ?? 0, 176);
	return bytes;
}

export type AreaShape = {
	/** As the process itself knows it. */
	readonly pid: number;
	readonly program?: string;
	readonly startedNs?: bigint;
	readonly dropped?: number;
	readonly ended?: Partial<Totals>;
	/** The files that have the records, or the trace, instead. */
	readonly report?: string;
	readonly trace?: string;
	readonly events?: readonly EventShape[];
	readonly records?: ReadonlyArray<Partial<ConnectionRecord>>;
	readonly version?: number;
};

export function makeArea({pid, program = 'program', startedNs = 0n, dropped = 0, ended = {}, report = '', trace = '', events = [], records = [], version = 1}: AreaShape): Buffer {
	const head = Buffer.alloc(recordsOffset);
	head.write('ROSAREA1', 0, 'latin1');
	head.writeUInt32LE(version, 8);
	head.writeUInt32LE(recordSize, 12);
	head.writeUInt32LE(records.length, 20);
	head.writeUInt32LE(dropped, 24);
	head.writeUInt32LE(pid, 28);
	head.writeBigUInt64LE(startedNs, 32);
	head.write(program, 48);
	for (const [index, name] of totals.entries()) {
		head.writeBigUInt64LE(BigInt(ended[name] ?? 0), endedOffset + (index * 8));
	}

	head.write(report, 160);
	head.write(trace, 416);
	head.set(makeTrace({pid, program, startedNs, events}), traceOffset);
	return Buffer.concat([head, ...records.map(record => makeRecord({pid, program, ...record}))]);
}

type EventShape = {readonly timeNs?: bigint; readonly openedNs?: bigint; readonly value?: number; readonly kind?: number; readonly reason?: number; readonly pid?: number; readonly fd?: number; readonly errno?: number};

type TraceShape = {readonly pid: number; readonly program?: string; readonly startedNs?: bigint; readonly events?: readonly EventShape[]};

export function makeTrace({pid, program = 'program', startedNs = 0n, events = []}: TraceShape): Buffer {
	const bytes = Buffer.alloc(256 + (eventsMax * eventSize));
	bytes.write('ROSTRAC1', 0, 'latin1');
	bytes.writeUInt32LE(1, 8);
	bytes.writeUInt32LE(eventSize, 12);
	bytes.writeUInt32LE(eventsMax, 16);
	bytes.writeUInt32LE(pid, 20);
	bytes.writeBigUInt64LE(startedNs, 24);
	bytes.writeBigUInt64LE(BigInt(events.length), 32);
	bytes.write(program, 40);
	for (const [index, event] of events.entries()) {
		const at = 256 + ((index % eventsMax) * eventSize);
		for (const [place, value] of [BigInt(index + 1), event.timeNs ?? 0n, event.openedNs ?? 0n, BigInt(event.value ?? 0)].entries()) {
			bytes.writeBigUInt64LE(value, at + (place * 8));
		}

		for (const [place, value] of [event.kind ?? 0, event.reason ?? 0, event.pid ?? pid, event.fd ?? 3, event.errno ?? 0].entries()) {
			bytes.writeUInt32LE(value, at + 32 + (place * 4));
		}
	}

	return bytes;
}

type ProcessShape = {
	/** Its pid in each of its namespaces, outermost first; none: only the one that it has here. */
	readonly pids?: readonly number[];
	readonly parent?: number;
	/** In its memory, under this number; `hasName`: a memfd rather than anonymous memory. */
	readonly area?: {readonly bytes?: Buffer; readonly inode: number; readonly hasName?: boolean; readonly size?: number};
};

const address = 4096;
const areaSize = recordsOffset + (16_384 * recordSize);

/** Adds a process to the directory `root`, which stands for /proc; returns the file that is its memory. An area without bytes is memory that may not be read. */
export function addProcess(root: string, pid: number, {pids = [], parent = 1, area}: ProcessShape = {}): string {
	const directory = path.join(root, String(pid));
	const memory = path.join(directory, 'mem');
	mkdirSync(path.join(directory, 'ns'), {recursive: true});
	mkdirSync(path.join(directory, 'fd'));
	symlinkSync('pid:[1]', path.join(directory, 'ns', 'pid'));
	symlinkSync('net:[1]', path.join(directory, 'ns', 'net'));
	writeFileSync(path.join(directory, 'status'), `Name:\tprogram\nPPid:\t${parent}\n${pids.length === 0 ? '' : `NSpid:\t${pids.join('\t')}\n`}`);
	const end = address + (area?.size ?? areaSize);
	writeFileSync(path.join(directory, 'maps'), [
		'00400000-00401000 r-xp 00000000 08:01 1                          /usr/bin/program',
		...(area ? [`${address.toString(16).padStart(8, '0')}-${end.toString(16).padStart(8, '0')} rw-s 00000000 00:01 ${area.inode}    ${area.hasName ? '/memfd:rsocket-stats (deleted)' : '/dev/zero (deleted)'}`] : []),
		'',
	].join('\n'));
	if (area?.bytes) {
		writeFileSync(memory, Buffer.concat([Buffer.alloc(address), area.bytes]));
	}

	return memory;
}
