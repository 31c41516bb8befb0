/** Builds small ELF files: a head, program headers and what they point to. */
import {Buffer} from 'node:buffer';

export type ElfShape = {
	readonly bits?: 32 | 64;
	readonly isLittle?: boolean;
	readonly machine?: number;
	readonly interpreter?: string;
	readonly noteNames?: readonly string[];
};

const machineX64 = 62;
export const machineArm64 = 183;

const segmentInterpreter = 3;
const segmentNote = 4;

export function makeElf({bits = 64, isLittle = true, machine = machineX64, interpreter, noteNames = []}: ElfShape = {}): Buffer {
	const is64 = bits === 64;
	const headSize = is64 ? 64 : 52;
	const entrySize = is64 ? 56 : 32;
	const segments = [
		...(interpreter === undefined ? [] : [{type: segmentInterpreter, content: Buffer.from(`${interpreter}\0`)}]),
		...(noteNames.length === 0 ? [] : [{type: segmentNote, content: Buffer.concat(noteNames.map(name => makeNote(name, isLittle)))}]),
	];
	const head = Buffer.alloc(headSize);
	const write = writer(head, isLittle);
	head.write('\u007FELF', 0, 'latin1');
	head[4] = is64 ? 2 : 1;
	head[5] = isLittle ? 1 : 2;
	write(16, 2, 2);
	write(18, 2, machine);
	write(is64 ? 32 : 28, is64 ? 8 : 4, headSize);
	write(is64 ? 54 : 42, 2, entrySize);
	write(is64 ? 56 : 44, 2, segments.length);

	let offset = headSize + (entrySize * segments.length);
	const entries = segments.map(({type, content}) => {
		const entry = Buffer.alloc(entrySize);
		const writeEntry = writer(entry, isLittle);
		writeEntry(0, 4, type);
		writeEntry(is64 ? 8 : 4, is64 ? 8 : 4, offset);
		writeEntry(is64 ? 32 : 16, is64 ? 8 : 4, content.length);
		offset += content.length;
		return entry;
	});
	return Buffer.concat([head, ...entries, ...segments.map(({content}) => content)]);
}

/** The description has five bytes, so that padding matters. */
function makeNote(name: string, isLittle: boolean): Buffer {
	const note = Buffer.alloc(12 + (Math.ceil((name.length + 1) / 4) * 4) + 8);
	const write = writer(note, isLittle);
	write(0, 4, name.length + 1);
	write(4, 4, 5);
	write(8, 4, 4);
	note.write(name, 12, 'latin1');
	return note;
}

function writer(buffer: Buffer, isLittle: boolean) {
	return (offset: number, size: 2 | 4 | 8, value: number): void => {
		const start = size === 8 && !isLittle ? offset + 4 : offset;
		const width = size === 8 ? 4 : size;
		if (isLittle) {
			buffer.writeUIntLE(value, start, width);
		} else {
			buffer.writeUIntBE(value, start, width);
		}
	};
}
