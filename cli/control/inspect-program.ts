/** Looks at a file that is to be executed. */
import {Buffer} from 'node:buffer';
import {
	closeSync, constants, fstatSync, openSync, readSync, statSync, type Stats,
} from 'node:fs';
import {parseShebang, type Shebang} from './parse-shebang.js';
import {readElf, type Elf} from './read-elf.js';
import {rawBuffer, type Raw} from './raw.js';

export type Program = {
	readonly status: Stats;
	/** A file may be executed but not read, and what is no regular file is not read: then nothing is known of what is in it. */
	readonly isReadable: boolean;
	/** At most one of these two is there. */
	readonly elf: Elf | undefined;
	readonly shebang: Shebang | undefined;
	/** Begins as an ELF file does, but the kernel or the dynamic linker could not start it. */
	readonly isBroken: boolean;
};

/** As much of a script as the kernel looks at. */
const headSize = 256;

/** Undefined: there is no such file. */
export function inspectProgram(path: Raw): Program | undefined {
	let fd: number;
	try {
		// A FIFO is not waited for.
		fd = openSync(rawBuffer(path), constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
	} catch {
		return unreadable(statSync(rawBuffer(path), {throwIfNoEntry: false}));
	}

	try {
		const status = fstatSync(fd);
		if (!status.isFile()) {
			return unreadable(status);
		}

		const head = Buffer.alloc(headSize);
		const length = readSync(fd, head, 0, headSize, 0);
		const text = head.toString('latin1', 0, length);
		const elf = readElf(fd);
		return {status, isReadable: true, elf, shebang: parseShebang(text as Raw), isBroken: text.startsWith('\u007FELF') && !elf?.isWhole};
	} finally {
		closeSync(fd);
	}
}

function unreadable(status: Stats | undefined): Program | undefined {
	return status && {status, isReadable: false, elf: undefined, shebang: undefined, isBroken: false};
}
