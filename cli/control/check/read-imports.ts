/** Reads from a dynamic ELF file which functions and libraries it asks for, and which functions it offers. */
import {Buffer} from 'node:buffer';
import {closeSync, openSync, readSync} from 'node:fs';

export type Imports = {
	/** Functions that another file must bring, with the version asked for (`GLIBC_2.34`; empty: any). */
	readonly functions: ReadonlyMap<string, string>;
	/** Functions that it brings itself. */
	readonly exported: ReadonlySet<string>;
	/** DT_NEEDED. */
	readonly libraries: readonly string[];
	/** DT_RUNPATH or DT_RPATH. */
	readonly searchPath: readonly string[];
};

const segmentLoad = 1;
const segmentDynamic = 2;
const tags = {
	needed: 1, strings: 5, symbols: 6, stringsSize: 10, rpath: 15, runpath: 29, versions: 0x6F_FF_FF_F0, versionsNeeded: 0x6F_FF_FF_FE, versionsNeededCount: 0x6F_FF_FF_FF,
} as const;
const symbolSize = 24;
const symbolTypes = new Set([0, 2, 10]); // none, function, indirect function

/** Larger tables are no program's. */
const tableSizeMax = 64 * 1024 * 1024;

type Segment = {readonly type: number; readonly offset: number; readonly address: number; readonly size: number};

/** Undefined for what is not a 64-bit little-endian dynamic file, or is broken. */
export function readImports(path: string | Buffer): Imports | undefined {
	let fd: number;
	try {
		fd = openSync(path, 'r');
	} catch {
		return undefined;
	}

	try {
		return readDynamic(new File(fd));
	} catch (error) {
		if (error instanceof RangeError) {
			return undefined;
		}

		throw error;
	} finally {
		closeSync(fd);
	}
}

/** Every read outside the file is a RangeError: a broken file cannot make us read anything else. */
class File {
	readonly segments: readonly Segment[];
	readonly #fd: number;

	constructor(fd: number) {
		this.#fd = fd;
		const head = this.read(0, 64);
		if (head.toString('latin1', 0, 4) !== '\u007FELF' || head[4] !== 2 || head[5] !== 1) {
			throw new RangeError('not a 64-bit little-endian ELF file');
		}

		const count = head.readUInt16LE(56);
		const size = head.readUInt16LE(54);
		const table = this.read(number(head, 32), count * size);
		this.segments = Array.from({length: count}, (_, index) => {
			const row = table.subarray(index * size);
			return {type: row.readUInt32LE(0), offset: number(row, 8), address: number(row, 16), size: number(row, 32)};
		});
	}

	read(offset: number, size: number): Buffer {
		if (!Number.isSafeInteger(offset) || size < 0 || size > tableSizeMax) {
			throw new RangeError('no such place in the file');
		}

		const buffer = Buffer.alloc(size);
		if (readSync(this.#fd, buffer, 0, size, offset) < size) {
			throw new RangeError('the file ends too soon');
		}

		return buffer;
	}

	/** What the loader would see at `address`. */
	readAt(address: number, size: number): Buffer {
		return this.read(this.#place(address).offset, size);
	}

	/** The bytes from `address` to the end of its segment: what is there at most. */
	rest(address: number): number {
		return this.#place(address).left;
	}

	#place(address: number): {readonly offset: number; readonly left: number} {
		const segment = this.segments.find(candidate => candidate.type === segmentLoad && address >= candidate.address && address < candidate.address + candidate.size);
		if (!segment) {
			throw new RangeError('an address outside the file');
		}

		const within = address - segment.address;
		return {offset: segment.offset + within, left: segment.size - within};
	}
}

function readDynamic(file: File): Imports | undefined {
	const segment = file.segments.find(({type}) => type === segmentDynamic);
	if (!segment) {
		return undefined;
	}

	const table = file.read(segment.offset, segment.size);
	const entries: Array<readonly [number, number]> = [];
	for (let offset = 0; offset + 16 <= table.length; offset += 16) {
		entries.push([number(table, offset), number(table, offset + 8)]);
	}

	const value = (tag: number): number | undefined => entries.find(([key]) => key === tag)?.[1];
	const strings = file.readAt(value(tags.strings) ?? 0, value(tags.stringsSize) ?? 0);
	const text = (offset: number): string => strings.toString('utf8', offset, Math.max(offset, strings.indexOf(0, offset)));
	const symbols = readSymbols(file, {symbols: value(tags.symbols) ?? 0, strings: value(tags.strings) ?? 0, versions: value(tags.versions)}, text);
	const versions = readVersions(file, value(tags.versionsNeeded), value(tags.versionsNeededCount) ?? 0, text);
	return {
		functions: new Map(symbols.filter(({isDefined}) => !isDefined).map(({name, version}) => [name, versions.get(version) ?? ''])),
		exported: new Set(symbols.filter(({isDefined}) => isDefined).map(({name}) => name)),
		libraries: entries.filter(([key]) => key === tags.needed).map(([, offset]) => text(offset)),
		searchPath: entries.filter(([key]) => key === tags.runpath || key === tags.rpath).flatMap(([, offset]) => text(offset).split(':')),
	};
}

type Symbol = {readonly name: string; readonly isDefined: boolean; readonly version: number};

/** The dynamic section does not say how many there are: they end where the strings begin, or earlier, at what is no symbol. */
function readSymbols(file: File, where: {readonly symbols: number; readonly strings: number; readonly versions: number | undefined}, text: (offset: number) => string): Symbol[] {
	const room = where.strings > where.symbols ? where.strings - where.symbols : file.rest(where.symbols);
	const count = Math.floor(room / symbolSize);
	const table = file.readAt(where.symbols, count * symbolSize);
	const versions = where.versions === undefined ? Buffer.alloc(count * 2) : file.readAt(where.versions, Math.min(count * 2, file.rest(where.versions)));
	const symbols: Symbol[] = [];
	for (let index = 1; index < count; index++) {
		const offset = index * symbolSize;
		const name = text(table.readUInt32LE(offset));
		if (name !== '' && symbolTypes.has((table[offset + 4] ?? 0) & 15)) {
			const version = (index * 2) + 2 <= versions.length ? versions.readUInt16LE(index * 2) & 0x7F_FF : 0;
			symbols.push({name, isDefined: table.readUInt16LE(offset + 6) !== 0, version});
		}
	}

	return symbols;
}

/** `Elf64_Verneed`: for each library a chain of the versions asked of it. */
function readVersions(file: File, address: number | undefined, count: number, text: (offset: number) => string): Map<number, string> {
	const versions = new Map<number, string>();
	let at = address ?? 0;
	for (let left = address === undefined ? 0 : Math.min(count, 1000); left > 0; left--) {
		const need = file.readAt(at, 16);
		let entryAt = at + need.readUInt32LE(8);
		for (let entries = need.readUInt16LE(2); entries > 0; entries--) {
			const entry = file.readAt(entryAt, 16);
			versions.set(entry.readUInt16LE(6) & 0x7F_FF, text(entry.readUInt32LE(8)));
			entryAt += entry.readUInt32LE(12);
		}

		at += need.readUInt32LE(12);
	}

	return versions;
}

function number(buffer: Buffer, offset: number): number {
	return Number(buffer.readBigUInt64LE(offset));
}
