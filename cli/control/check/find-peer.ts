/** The other end of one of our own TCP connections, as the tables of this network namespace show it. */
import {Buffer} from 'node:buffer';
import {BlockList, isIPv6} from 'node:net';
import {endianness} from 'node:os';
import {setTimeout as sleep} from 'node:timers/promises';
import {type TcpRow} from './ports.js';

export type Ends = {readonly local: string; readonly localPort: number; readonly peer: string; readonly peerPort: number};

export type FoundPeer = {
	readonly uid: number;
	/** Of its socket, or of the listening one while nobody has accepted. */
	readonly inode: number;
	readonly isAccepted: boolean;
};

/** How long a server may take to accept before the one that listens is taken for it. */
const acceptMs = 500;

/** Undefined: nothing here is the other end. */
export async function findPeer(ends: Ends, readTable: () => readonly TcpRow[], waitMs = acceptMs): Promise<FoundPeer | undefined> {
	const deadline = performance.now() + waitMs;
	for (;;) {
		const table = readTable();
		const row = table.find(candidate => !candidate.isListening && isPeerOf(candidate, ends));
		if (row && row.inode !== 0) {
			return {uid: row.uid, inode: row.inode, isAccepted: true};
		}

		if (performance.now() >= deadline) {
			// A server that defers accepting has a listening socket only.
			const listener = table.find(candidate => candidate.isListening && candidate.localPort === ends.peerPort && isAddressed(candidate.local, ends.peer));
			return listener && (row !== undefined || isOwnAddress(table, ends)) ? {uid: listener.uid, inode: listener.inode, isAccepted: false} : undefined;
		}

		// eslint-disable-next-line no-await-in-loop
		await sleep(20);
	}
}

function isPeerOf(row: TcpRow, {local, localPort, peer, peerPort}: Ends): boolean {
	return row.localPort === peerPort && row.peerPort === localPort && readAddress(row.local) === plainAddress(peer) && readAddress(row.peer) === plainAddress(local);
}

function isAddressed(listening: string, address: string): boolean {
	return /^0+$/.test(listening) || readAddress(listening) === plainAddress(address);
}

/** Both ends of a connection within this namespace have the same kind of address: loopback, or one address twice. */
function isOwnAddress(table: readonly TcpRow[], {local, peer}: Ends): boolean {
	const loopback = new BlockList();
	loopback.addSubnet('127.0.0.0', 8);
	loopback.addAddress('::1', 'ipv6');
	const address = plainAddress(peer);
	return address === plainAddress(local) || loopback.check(address, isIPv6(address) ? 'ipv6' : 'ipv4') || table.some(row => readAddress(row.local) === address);
}

/** `0100007F`: words of this machine's order. IPv4 within IPv6 reads as IPv4. */
export function readAddress(hex: string): string {
	const bytes = Buffer.from(hex, 'hex');
	if (endianness() === 'LE') {
		bytes.swap32();
	}

	if (bytes.length === 4) {
		return bytes.join('.');
	}

	return plainAddress(Array.from({length: 8}, (_, index) => bytes.readUInt16BE(index * 2).toString(16)).join(':'));
}

/** One spelling an address. */
export function plainAddress(text: string): string {
	const [address = ''] = text.split('%');
	if (!isIPv6(address)) {
		return address;
	}

	const short = new URL(`http://[${address}]`).hostname.slice(1, -1);
	const mapped = /^::ffff:([\da-f]+):([\da-f]+)$/.exec(short);
	if (!mapped) {
		return short;
	}

	return mapped.slice(1).map(group => Number.parseInt(group, 16)).flatMap(group => [group >> 8, group & 255]).join('.');
}
