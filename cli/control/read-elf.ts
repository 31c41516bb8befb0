/** Reads from an ELF file what decides whether the dynamic linker will preload a library into it. */
import {readSync} from 'node:fs';

export type Elf = {
	readonly bits: 32 | 64;
	/** `e_machine`. */
	readonly machine: number;
	/** The dynamic linker; undefined: a static program, or a library. */
	readonly interpreter: string | undefined;
	/** Built by the Go toolchain. */
	readonly isGo: boolean;
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

const segmentInterpreter = 3;
const segmentNote = 4;

/** Longer ones are not read: no sane file has them. */
const segmentSizeMax = 65_536;

type Segment = {readonly type: number; readonly offset: number; readonly size: number};

/** Undefined when the file open as `fd` is not an ELF file or a broken one. */
export function readElf(fd: number): Elf | undefined {
	const head = readAt(fd, 0, 64);
	if (head.length < 52 || head.toString('latin1', 0, 4) !== '\u007FELF' || (head[4] !== 1 && head[4] !== 2)) {
		return undefined;
	}

	const fields = new Fields(head);
	if (fields.bits === 64 && head.length < 64) {
		return undefined;
	}

	const segments = readSegments(fd, fields);
	const interpreter = segments.find(({type}) => type === segmentInterpreter);
	return {
		bits: fields.bits,
		machine: fields.half(18),
		interpreter: interpreter && readSegment(fd, interpreter).toString('utf8').replace(/\0.*$/s, ''),
		isGo: segments.some(segment => segment.type === segmentNote && hasGoNote(readSegment(fd, segment), fields)),
	};
}

/** Numbers of a structure in the file's own byte order and word size. */
class Fields {
	readonly bits: 32 | 64;
	readonly #little: boolean;
	readonly #view: DataView;

	constructor(bytes: Buffer, head: Buffer = bytes) {
		this.bits = head[4] === 2 ? 64 : 32;
		this.#little = head[5] !== 2;
		this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
		this.head = head;
	}

	readonly head: Buffer;

	half(offset: number): number {
		return this.#view.getUint16(offset, this.#little);
	}

	word(offset: number): number {
		return this.#view.getUint32(offset, this.#little);
	}

	/** An address-sized number; beyond 2^53 it is wrong, and then so is the file. */
	address(offset: number): number {
		return this.bits === 64 ? Number(this.#view.getBigUint64(offset, this.#little)) : this.word(offset);
	}
}

function readSegments(fd: number, head: Fields): Segment[] {
	const offset = head.address(head.bits === 64 ? 32 : 28);
	const entrySize = head.half(head.bits === 64 ? 54 : 42);
	const count = head.half(head.bits === 64 ? 56 : 44);
	const table = readAt(fd, offset, entrySize * count);
	if (entrySize < (head.bits === 64 ? 56 : 32) || table.length < entrySize * count) {
		return [];
	}

	return Array.from({length: count}, (_, index) => {
		const fields = new Fields(table.subarray(index * entrySize, (index + 1) * entrySize), head.head);
		return head.bits === 64
			? {type: fields.word(0), offset: fields.address(8), size: fields.address(32)}
			: {type: fields.word(0), offset: fields.word(4), size: fields.word(16)};
	});
}

/** Each note: name size, description size, type, name and description padded to four bytes. */
function hasGoNote(notes: Buffer, head: Fields): boolean {
	const fields = new Fields(notes, head.head);
	for (let offset = 0; offset + 12 <= notes.length;) {
		const nameSize = fields.word(offset);
		if (notes.toString('latin1', offset + 12, offset + 12 + Math.min(nameSize, 4)) === 'Go\0\0') {
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
