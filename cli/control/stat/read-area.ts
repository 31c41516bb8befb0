/** The areas of all processes that we may look into, each once. */
import {statSync} from 'node:fs';
import path from 'node:path';
import {type AreaHead, type ConnectionRecord, type Native} from '../../native.js';
import {toRaw} from '../raw.js';
import {openMemory, type Memory} from './memory.js';
import {
	findAreas, identify, listPids, proc, withArea, type ProcessIdentity,
} from './read-process.js';

export type Area = {
	/** Of the process that made it; its own view when it has ended and left the area to forked children. */
	readonly pid: number;
	readonly head: AreaHead;
	/** Those in use, whoever holds them. */
	readonly records: readonly ConnectionRecord[];
	/** The processes that live with it: the one that made it and its forks. */
	readonly members: readonly ProcessIdentity[];
};

export type Areas = {
	readonly areas: readonly Area[];
	/** Processes that have one which we may not read. */
	readonly unreadable: readonly number[];
};

/** Rows that a report file holds at most. */
const reportCapacity = 65_536;

/** A connection that ends between two looks is in both the records and the sums, or in neither. */
const looksMax = 3;

type Place = {readonly mapping: ReturnType<typeof findAreas>[number]; readonly pids: number[]};

/** Undefined `pids`: all processes. */
export function readAreas(native: Native, pids: readonly number[] | undefined, root = proc): Areas {
	const places = findPlaces(native, pids ?? listPids(root), root);
	const reports = new Map<string, readonly ConnectionRecord[]>();
	const areas: Area[] = [];
	const unreadable: number[] = [];
	for (const {mapping, pids: members} of places) {
		const found = firstDefined(members, pid => withArea(pid, mapping, memory => readArea(memory, native), root));
		if (found) {
			const identities = members.map(pid => identify(pid, root));
			areas.push({
				...found, members: identities, pid: identities.find(({ownPid}) => ownPid === found.head.pid)?.pid ?? found.head.pid,
				records: [...found.records, ...readReport(found.head, members[0] ?? 0, {native, reports, root})],
			});
		} else if (mapping.hasName) {
			// Those that ended meanwhile have none any more.
			unreadable.push(...members.filter(pid => findAreas(pid, native.statsLayout, root).some(({key}) => key === mapping.key)));
		}
	}

	return {areas, unreadable};
}

function findPlaces({statsLayout}: Native, pids: readonly number[], root: string): Place[] {
	const places = new Map<string, Place>();
	for (const pid of pids) {
		for (const mapping of findAreas(pid, statsLayout, root)) {
			const place = places.get(mapping.key) ?? {mapping, pids: []};
			place.pids.push(pid);
			places.set(mapping.key, place);
		}
	}

	return [...places.values()];
}

function firstDefined<Item, Result>(items: readonly Item[], look: (item: Item) => Result | undefined): Result | undefined {
	for (const item of items) {
		const result = look(item);
		if (result !== undefined) {
			return result;
		}
	}

	return undefined;
}

/** Undefined: it is no area. */
function readArea(memory: Memory, native: Native): {readonly head: AreaHead; readonly records: ConnectionRecord[]} | undefined {
	const readHead = (): AreaHead | undefined => native.areaHead(memory.read(0, native.statsLayout.headSize));
	let head = readHead();
	for (let look = 1; head; look++) {
		const records = native.areaRecords(memory.read(head.recordsOffset, head.recordsSize));
		const after = readHead();
		if (after?.ended.connections === head.ended.connections || look === looksMax) {
			return {head, records};
		}

		head = after;
	}

	return undefined;
}

type Reading = {readonly native: Native; readonly reports: Map<string, readonly ConnectionRecord[]>; readonly root: string};

/** The records that a process under rsrun --report keeps in a file; shared by all processes of that run. */
function readReport({report}: AreaHead, pid: number, {native, reports, root}: Reading): readonly ConnectionRecord[] {
	if (report === '') {
		return [];
	}

	const file = reach(pid, report, root);
	const status = statSync(file, {throwIfNoEntry: false});
	const key = status === undefined ? file : `${status.dev}:${status.ino}`;
	const records = reports.get(key) ?? attempt(() => native.statsRead(toRaw(file), reportCapacity).connections) ?? [];
	reports.set(key, records);
	return records;
}

/** A path as process `pid` has it, which may live under another root. */
function reach(pid: number, file: string, root = proc): string {
	return path.join(root, String(pid), path.isAbsolute(file) ? 'root' : 'cwd', file);
}

/** The trace of each area of a process: its own, and those that it was forked with. */
export function readTraceBytes(pid: number, native: Native, root = proc): Uint8Array[] {
	const {headSize, traceSize} = native.statsLayout;
	return findAreas(pid, native.statsLayout, root).flatMap(mapping => {
		const bytes = withArea(pid, mapping, memory => {
			const head = native.areaHead(memory.read(0, headSize));
			return head && (head.trace === '' ? memory.read(head.traceOffset, traceSize) : readFirst(reach(pid, head.trace, root), traceSize));
		}, root);
		return bytes === undefined ? [] : [bytes];
	});
}

function readFirst(file: string, length: number): Uint8Array | undefined {
	const memory = openMemory(file);
	try {
		return memory?.read(0, length);
	} finally {
		memory?.close();
	}
}

function attempt<Result>(look: () => Result): Result | undefined {
	try {
		return look();
	} catch {
		return undefined;
	}
}
