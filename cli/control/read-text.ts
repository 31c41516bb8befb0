/** Reads a file that a user named. */
import {Buffer} from 'node:buffer';
import {closeSync, openSync, readSync} from 'node:fs';
import {CliError, errorCode} from './cli-error.js';

/** No configuration, profile, manifest or file of rules is longer. */
const sizeMax = 1024 ** 2;

/** `-`: standard input; `latin1`: one character a byte. Throws a CliError; never reads more than that. */
export function readText(file: string, encoding: 'utf8' | 'latin1' = 'utf8', remedy = 'Check the path, and that you may read it.'): string {
	let fd: number | undefined;
	try {
		fd = file === '-' ? 0 : openSync(file, 'r');
		return readUpTo(fd, file).toString(encoding);
	} catch (error) {
		throw error instanceof CliError
			? error
			: new CliError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`, {
				code: errorCode(error) === 'ENOENT' ? 'not-found' : 'read-failed', cause: error, remedy,
			});
	} finally {
		if (fd !== undefined && fd > 0) {
			closeSync(fd);
		}
	}
}

function readUpTo(fd: number, file: string): Buffer {
	const pieces: Buffer[] = [];
	for (let size = 0; size <= sizeMax;) {
		const piece = Buffer.alloc(65_536);
		const length = readPiece(fd, piece);
		if (length === 0) {
			return Buffer.concat(pieces);
		}

		size += length;
		pieces.push(piece.subarray(0, length));
	}

	throw new CliError(`${file} has more than ${sizeMax} bytes`, {code: 'too-long', remedy: 'Nothing that is read here is that long: check the path.'});
}

/** A terminal or pipe that another program made non-blocking is waited for. */
function readPiece(fd: number, piece: Buffer): number {
	for (;;) {
		try {
			return readSync(fd, piece);
		} catch (error) {
			if (errorCode(error) !== 'EAGAIN') {
				throw error;
			}

			Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
		}
	}
}
