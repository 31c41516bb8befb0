/** Looks at a file that is to be executed. */
import {Buffer} from 'node:buffer';
import {closeSync, fstatSync, openSync, readSync, type Stats} from 'node:fs';
import {parseShebang, type Shebang} from './parse-shebang.js';
import {readElf, type Elf} from './read-elf.js';
import {rawBuffer, type Raw} from './raw.js';

export type Program = {
	readonly status: Stats;
	/** At most one of these two is there. */
	readonly elf: Elf | undefined;
	readonly shebang: Shebang | undefined;
};

/** As much of a script as the kernel looks at. */
const headSize = 256;

/** Undefined for a file that may be executed but not read. */
export function inspectProgram(path: Raw): Program | undefined {
	let fd: number;
	try {
		fd = openSync(rawBuffer(path), 'r');
	} catch {
		return undefined;
	}

	try {
		const head = Buffer.alloc(headSize);
		const length = readSync(fd, head, 0, headSize, 0);
		return {status: fstatSync(fd), elf: readElf(fd), shebang: parseShebang(head.toString('latin1', 0, length) as Raw)};
	} finally {
		closeSync(fd);
	}
}
