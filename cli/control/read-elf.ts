/** Reads from an ELF file what decides whether the dynamic linker will preload a library into it. */
import {Buffer} from 'node:buffer';
import {fstatSync, readSync} from 'node:fs';

export type Elf = {
	readonly bits: 32 | 64;
	/** `e_machine`. */
	readonly machine: number;
	/** The dynamic linker; undefined: a static program, or a library. */
	readonly interpreter: string | undefined;
	/** Built by the Go toolchain. */
	readonly isGo: boolean;
	/** A program or a shared object, with all of what is to be loaded. */
	readonly isWhole: boolean;
};

/** Name and `e_machine` of what Node may run on, and of what a foreign program may be for. */
export const machineNames: ReadonlyMap<number, string> = new Map([
	[3, 'i386'],
	[8, 'mips'],
	[20, 'powerpc'],
	[21, 'powerpc64'],
	[22, 's390x'],
	[40, 'arm'],
	[62, 'x86_64'],
	[183, 'aarch64'],
	[243, 'riscv'],
	[258, 'loongarch'],
]);

const segmentLoad = 1;
const segmentInterpreter = 3;
const segmentNote = 4;

/** `ET_EXEC` and `ET_DYN`. */
const startableTypes = new Set([2, 3]);

/** Longer ones are not read: no sane file has them. */
const segmentSizeMax = 65_536;

type Segment = {readonly type: number; readonly offset: number; readonly size: number};

/** Undefined when the file open as `fd` is not an ELF file or a broken one. */
export function readElf(fd: number): Elf | undefined {
	const head = readAt(fd, 0, 64);
	if (head.length < 52 || head.toString('latin1', 0, 4) !== '\u007FELF' || (head[4] !== 1 && head[4] !== 2)) {
		return undefined;
	}

	const layout: Layout = {bits: head[4] === 2 ? 64 : 32, isLittle: head[5] !== 2};
	if (layout.bits === 64 && head.length < 64) {
		return undefined;
	}

	const fields = new Fields(head, layout);
	const segments = readSegments(fd, fields);
	const interpreter = segments.find(({type}) => type === segmentInterpreter);
	const {size} = fstatSync(fd);
	return {
		bits: layout.bits,
		machine: fields.half(18),
		interpreter: interpreter && readSegment(fd, interpreter).toString('utf8').replace(/\0.*$/s, ''),
		isGo: segments.some(segment => segment.type === segmentNote && hasGoNote(readSegment(fd, segment), layout)),
		isWhole: startableTypes.has(fields.half(16)) && segments.length === fields.half(layout.bits === 64 ? 56 : 44)
			&& segments.every(segment => (segment.type !== segmentLoad && segment !== interpreter) || segment.offset + segment.size <= size),
	};
}

/** Word size and byte order of a file. */
type Layout = {readonly bits: 32 | 64; readonly isLittle: boolean};

/** Numbers of a structure of a file. */
class Fields {
	readonly layout: Layout;
	readonly #view: DataView;

	constructor(bytes: Buffer, layout: Layout) {
		this.layout = layout;
		this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
	}

	half(offset: number): number {
		return this.#view.getUint16(offset, this.layout.isLittle);
	}

	word(offset: number): number {
		return this.#view.getUint32(offset, this.layout.isLittle);
	}

	/** An address-sized number; beyond 2^53 it is wrong, and then so is the file. */
	address(offset: number): number {
		return this.layout.bits === 64 ? Number(this.#view.getBigUint64(offset, this.layout.isLittle)) : this.word(offset);
	}
}

function readSegments(fd: number, head: Fields): Segment[] {
	const is64 = head.layout.bits === 64;
	const entrySize = head.half(is64 ? 54 : 42);
	const count = head.half(is64 ? 56 : 44);
	const table = readAt(fd, head.address(is64 ? 32 : 28), entrySize * count);
	if (entrySize < (is64 ? 56 : 32) || table.length < entrySize * count) {
		return [];
	}

	return Array.from({length: count}, (_, index) => {
		const fields = new Fields(table.subarray(index * entrySize, (index + 1) * entrySize), head.layout);
		return is64
			? {type: fields.word(0), offset: fields.address(8), size: fields.address(32)}
			: {type: fields.word(0), offset: fields.word(4), size: fields.word(16)};
	});
}

/** Each note: name size, description size, type, name and description padded to four bytes. */
function hasGoNote(notes: Buffer, layout: Layout): boolean {
	const fields = new Fields(notes, layout);
	for (let offset = 0; offset + 12 <= notes.length;) {
		const nameSize = fields.word(offset);
		if (/^Go\0*$/.test(notes.toString('latin1', offset + 12, offset + 12 + nameSize))) {
			return true;
		}

		offset += 12 + align4(nameSize) + align4(fields.word(offset + 4));
	}

	return false;
}

function align4(size: number): number {
	return Math.ceil(size / 4) * 4;
}

function readSegment(fd: number, segment: Segment): Buffer {
	return readAt(fd, segment.offset, Math.min(segment.size, segmentSizeMax));
}

/** What there is of `size` bytes at `offset`. */
function readAt(fd: number, offset: number, size: number): Buffer {
	const buffer = Buffer.alloc(size);
	return Number.isSafeInteger(offset) ? buffer.subarray(0, readSync(fd, buffer, 0, size, offset)) : buffer.subarray(0, 0);
}
