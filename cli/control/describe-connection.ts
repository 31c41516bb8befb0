/** A connection record in the words that a reader of a report sees. */
import {Buffer} from 'node:buffer';
import {type ConnectionRecord, type Reason} from '../native.js';

type Transport = 'tcp' | 'shm' | 'verbs' | 'unknown';

type Direction = {
	/** What carries the bytes now, or did at close. */
	readonly transport: Transport;
	readonly bytes: number;
	/** The part that went through shared memory. */
	readonly shmBytes: number;
	readonly calls: number;
};

/** The JSON report has exactly these names. */
export type Connection = {
	readonly pid: number;
	readonly program: string;
	readonly fd: number;
	readonly role: 'accepted' | 'connected';
	readonly local: string;
	readonly peer: string;
	readonly send: Direction;
	readonly recv: Direction;
	readonly reason: string;
	readonly isPromoted: boolean;
	readonly isClosed: boolean;
	readonly openedAt: string | undefined;
	readonly promotedAt: string | undefined;
	readonly closedAt: string | undefined;
	readonly sleeps: number;
	readonly spins: number;
	/** Of the rules: the use rule that gave it settings of its own. */
	readonly settingsLine?: number;
};

const transports: readonly Transport[] = ['tcp', 'shm', 'verbs'];
const familyIpv6 = 10;
const stateClosed = 2;

export function describeConnection(record: ConnectionRecord, reasons: readonly Reason[]): Connection {
	return {
		pid: record.pid,
		program: record.program,
		fd: record.fd,
		role: record.accepted ? 'accepted' : 'connected',
		local: formatAddress(record.family, record.localAddr, record.localPort),
		peer: formatAddress(record.family, record.peerAddr, record.peerPort),
		send: {
			transport: transports[record.sendTransport] ?? 'unknown',
			bytes: record.sendBytes,
			shmBytes: record.shmSendBytes,
			calls: record.sendCalls,
		},
		recv: {
			transport: transports[record.recvTransport] ?? 'unknown',
			bytes: record.recvBytes,
			shmBytes: record.shmRecvBytes,
			calls: record.recvCalls,
		},
		reason: reasons[record.reason]?.code ?? `reason ${record.reason}`,
		isPromoted: record.promotedNs > 0n,
		isClosed: record.state === stateClosed,
		openedAt: formatTime(record.openedNs),
		promotedAt: formatTime(record.promotedNs),
		closedAt: formatTime(record.closedNs),
		sleeps: record.sleeps,
		spins: record.spins,
		...(record.settingsLine > 0 && {settingsLine: record.settingsLine}),
	};
}

/** `127.0.0.1:80`, `[::1]:80`; IPv4 in IPv6 reads as IPv4. */
export function formatAddress(family: number, address: Uint8Array, port: number): string {
	const bytes = Buffer.from(address);
	const isMapped = bytes.subarray(0, 12).equals(Buffer.from('00000000000000000000ffff', 'hex'));
	if (family !== familyIpv6 || isMapped) {
		return `${bytes.subarray(family === familyIpv6 ? 12 : 0).subarray(0, 4).join('.')}:${port}`;
	}

	const groups = Array.from({length: 8}, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
	// A URL shortens the longest run of zeros.
	return `${new URL(`http://[${groups.join(':')}]`).hostname}:${port}`;
}

function formatTime(ns: bigint): string | undefined {
	return ns === 0n ? undefined : new Date(Number(ns / 1_000_000n)).toISOString();
}
