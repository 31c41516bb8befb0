/** Finds the areas (core/area.h) that a living process shows. */
import {
	readdirSync, readFileSync, readlinkSync, statSync,
} from 'node:fs';
import {type Native} from '../../native.js';
import {openMemory, type Memory} from './memory.js';

/** A mapping that may be an area; `key` is the same in all processes that share it. */
type Mapping = {readonly key: string; readonly address: bigint; readonly inode: number; readonly hasName: boolean};

export type ProcessIdentity = {
	readonly pid: number;
	/** What the process itself takes for its pid, and in which namespace. */
	readonly ownPid: number;
	readonly pidNamespace: string;
};

export const proc = '/proc';

export function listPids(root = proc): number[] {
	return readdirSync(root).filter(name => /^\d+$/.test(name)).map(Number);
}

/** None of a process that has ended or that we may not look into. */
export function findAreas(pid: number, {areaName, areaSize}: Native['statsLayout'], root = proc): Mapping[] {
	return readText(`${root}/${pid}/maps`).split('\n').flatMap(line => {
		// 7f0000-7f1000 rw-s 00000000 00:01 914160    /memfd:rsocket-stats (deleted)
		const [, from = '', to = '', device = '', inode = '', name = ''] = /^([\da-f]+)-([\da-f]+) rw-s 0+ (\S+) (\d+)\s+(.*)$/.exec(line) ?? [];
		const hasName = name === `/memfd:${areaName} (deleted)`;
		if (!hasName && name !== '/dev/zero (deleted)') {
			return [];
		}

		const address = BigInt(`0x${from}`);
		return BigInt(`0x${to}`) - address < areaSize ? [] : [{key: `${device}:${inode}`, address, inode: Number(inode), hasName}];
	});
}

/** Calls `use` with the area's bytes; undefined when they cannot be had. */
export function withArea<Result>(pid: number, mapping: Mapping, use: (memory: Memory) => Result, root = proc): Result | undefined {
	const memory = (mapping.hasName ? openDescriptor(pid, mapping.inode, root) : undefined) ?? openMemory(`${root}/${pid}/mem`, mapping.address);
	try {
		return memory && use(memory);
	} finally {
		memory?.close();
	}
}

/** Descriptors of ours have the highest numbers. */
function openDescriptor(pid: number, inode: number, root: string) {
	for (const fd of listDescriptors(pid, root).toSorted((a, b) => b - a)) {
		const file = `${root}/${pid}/fd/${fd}`;
		try {
			if (readlinkSync(file).startsWith('/memfd:') && statSync(file).ino === inode) {
				return openMemory(file);
			}
		} catch {
			// Closed meanwhile.
		}
	}

	return undefined;
}

function listDescriptors(pid: number, root: string): number[] {
	try {
		return readdirSync(`${root}/${pid}/fd`).map(Number);
	} catch {
		return [];
	}
}

export function identify(pid: number, root = proc): ProcessIdentity {
	const ownPid = Number(/^NSpid:.*\s(\d+)$/m.exec(readText(`${root}/${pid}/status`))?.[1] ?? pid);
	return {pid, ownPid, pidNamespace: readLink(`${root}/${pid}/ns/pid`)};
}

/** Empty when it cannot be read. */
export function readText(file: string): string {
	try {
		return readFileSync(file, 'utf8');
	} catch {
		return '';
	}
}

export function readLink(file: string): string {
	try {
		return readlinkSync(file);
	} catch {
		return '';
	}
}
