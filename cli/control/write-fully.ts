/** Output that neither Node's streams nor a slow reader can lose: process.stdout would change the flags of inherited descriptors. */
import {Buffer} from 'node:buffer';
import {writeSync} from 'node:fs';
import {CliError, errorCode} from './cli-error.js';

/** False: nobody reads it any more. Throws a CliError when it cannot be written; not for standard error, which nobody could be told about. */
export function writeFully(fd: number, text: string): boolean {
	const bytes = Buffer.from(text);
	for (let offset = 0; offset < bytes.length;) {
		try {
			offset += writeSync(fd, bytes, offset);
		} catch (error) {
			if (errorCode(error) === 'EAGAIN') {
				Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
				continue;
			}

			if (errorCode(error) === 'EPIPE' || fd === 2) {
				return false;
			}

			throw new CliError(`${fd === 1 ? 'standard output' : `descriptor ${fd}`} cannot be written: ${error instanceof Error ? error.message : String(error)}`, {
				code: 'output', cause: error, remedy: 'Make room, or send the output elsewhere.',
			});
		}
	}

	return true;
}
