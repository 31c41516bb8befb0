/** Bytes of an area, wherever they are: a memfd, the memory of a process, a core file. Nobody who is read notices. */
import {Buffer} from 'node:buffer';
import {closeSync, constants, openSync, readSync} from 'node:fs';

export type Memory = {
	/** Fewer bytes, or none, when there are no more. */
	read(offset: number, length: number): Buffer;
};

/** The bytes of `file` from `base` on; undefined when it cannot be opened. Give it back by `close`. */
export function openMemory(file: string, base = 0n): (Memory & {close(): void}) | undefined {
	let fd: number;
	try {
		// A FIFO is not waited for.
		fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
	} catch {
		return undefined;
	}

	return {
		read(offset, length) {
			const buffer = Buffer.alloc(length);
			try {
				return buffer.subarray(0, readSync(fd, buffer, 0, length, base + BigInt(offset)));
			} catch {
				return buffer.subarray(0, 0);
			}
		},
		close() {
			closeSync(fd);
		},
	};
}
