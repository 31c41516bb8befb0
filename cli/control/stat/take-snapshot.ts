/** All connections of all processes that we may look into, at one moment. */
import {type ConnectionRecord, type Native, type Reason, type Totals} from '../../native.js';
import {describeConnection, type Connection} from '../describe-connection.js';
import {proc} from './read-process.js';
import {readAreas, type Area} from './read-area.js';
import {SocketTables} from './sockets.js';

/** What --json shows of a connection. */
export type LiveConnection = Omit<Connection, 'isClosed' | 'closedAt'> & {
	/** Of the TCP connection, as ss(8) writes it; `-`: the kernel does not list it. */
	readonly state: string;
	/** What carries it: `shm`, `tcp`, `verbs`, or two of them as `SENT/RECEIVED`. */
	readonly transport: string;
	readonly ageSeconds: number;
	/** Tells connections apart that had the same descriptor. */
	readonly openedNs: string;
};

export type LiveProcess = {
	readonly pid: number;
	readonly program: string;
	/** When its first connection was opened. */
	readonly since: string;
	/** Connections that could not be listed: the table was full. */
	readonly dropped: number;
	/** What its ended connections sum up to. */
	readonly ended: Totals;
	/** Of open connections that it holds. */
	readonly open: Totals;
};

export type Snapshot = {
	readonly time: string;
	readonly processes: readonly LiveProcess[];
	readonly connections: readonly LiveConnection[];
	/** Processes under the toolkit that may not be read, although they may be seen. */
	readonly unreadable: readonly number[];
};

export type SnapshotOptions = {
	/** Undefined: all. */
	readonly pids?: readonly number[] | undefined;
	/** A /proc. */
	readonly root?: string;
};

const stateLive = 1;
const unknownEnd = '0.0.0.0:0';

export function takeSnapshot(native: Native, {pids, root = proc}: SnapshotOptions = {}): Snapshot {
	const {areas, unreadable} = readAreas(native, pids, root);
	const tables = new SocketTables(root);
	const reasons = native.reasons();
	const now = Date.now();
	const processes: LiveProcess[] = [];
	const connections: LiveConnection[] = [];
	for (const area of areas) {
		const live = area.records.flatMap(record => {
			const pid = findHolder(record, area);
			return pid === undefined ? [] : [{record, pid}];
		});
		processes.push(describeProcess(area, live.map(({record}) => record)));
		connections.push(...live.map(({record, pid}) => describeLive(record, {pid, tables, reasons, now})));
	}

	return {
		time: new Date(now).toISOString(),
		processes: processes.toSorted((a, b) => a.pid - b.pid),
		connections: connections.toSorted((a, b) => a.pid - b.pid || a.fd - b.fd),
		unreadable,
	};
}

/** Undefined: it is closed, or its holder has been killed. */
function findHolder({state, pid}: ConnectionRecord, {members}: Area): number | undefined {
	return state === stateLive ? members.find(({ownPid}) => ownPid === pid)?.pid : undefined;
}

function describeProcess({pid, head}: Area, records: readonly ConnectionRecord[]): LiveProcess {
	const sum = (value: (record: ConnectionRecord) => number): number => records.reduce((total, record) => total + value(record), 0);
	return {
		pid, program: head.program, since: formatNs(head.startedNs), dropped: head.dropped, ended: head.ended,
		open: {
			connections: records.length,
			promoted: records.filter(({promotedNs}) => promotedNs > 0n).length,
			recvBytes: sum(record => record.recvBytes), sendBytes: sum(record => record.sendBytes),
			recvCalls: sum(record => record.recvCalls), sendCalls: sum(record => record.sendCalls),
			shmRecvBytes: sum(record => record.shmRecvBytes), shmSendBytes: sum(record => record.shmSendBytes),
			sleeps: sum(record => record.sleeps), spins: sum(record => record.spins),
		},
	};
}

type World = {readonly pid: number; readonly tables: SocketTables; readonly reasons: readonly Reason[]; readonly now: number};

function describeLive(record: ConnectionRecord, {pid, tables, reasons, now}: World): LiveConnection {
	const {isClosed: _isClosed, closedAt: _closedAt, ...connection} = describeConnection(record, reasons);
	const socket = tables.find(pid, record.fd, connection);
	const {send, recv} = connection;
	// The core asks for the ends when it first looks for the peer: a young connection's are the kernel's to tell.
	const isUnknown = connection.local === unknownEnd;
	return {
		...connection, pid,
		local: isUnknown ? socket?.local ?? '-' : connection.local,
		peer: isUnknown ? socket?.peer ?? '-' : connection.peer,
		state: socket?.state ?? '-',
		transport: send.transport === recv.transport ? send.transport : `${send.transport}/${recv.transport}`,
		ageSeconds: Math.max(0, Math.round((now - Number(record.openedNs / 1_000_000n)) / 100) / 10),
		openedNs: String(record.openedNs),
	};
}

export function formatNs(ns: bigint): string {
	return new Date(Number(ns / 1_000_000n)).toISOString();
}
