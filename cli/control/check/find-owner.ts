/** Which process has a socket. */
import {readdirSync, readlinkSync} from 'node:fs';
import {readTcpTable} from './ports.js';

/** The port that a process of `family` listens on. */
export function findListeningPort(family: readonly number[]): number | undefined {
	const inodes = new Set(family.flatMap(pid => socketsOf(pid)));
	return readTcpTable().find(row => row.isListening && inodes.has(row.inode))?.localPort;
}

/** The processes that hold the socket; only those that we may look into. */
export function findHolders(inode: number): number[] {
	return readdirSync('/proc').filter(name => /^\d+$/.test(name)).map(Number).filter(pid => socketsOf(pid).includes(inode));
}

/** Inode numbers; none of a process that is not ours to look into. */
function socketsOf(pid: number): number[] {
	try {
		return readdirSync(`/proc/${pid}/fd`).flatMap(name => {
			try {
				const inode = /^socket:\[(\d+)]$/.exec(readlinkSync(`/proc/${pid}/fd/${name}`))?.[1];
				return inode === undefined ? [] : [Number(inode)];
			} catch {
				return [];
			}
		});
	} catch {
		return [];
	}
}
