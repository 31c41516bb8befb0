/** Output that neither Node's streams nor a slow reader can lose: process.stdout would change the flags of inherited descriptors. */
import {Buffer} from 'node:buffer';
import {writeSync} from 'node:fs';
import {errorCode} from './cli-error.js';

/** False: nobody reads it any more. */
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

			if (errorCode(error) === 'EPIPE') {
				return false;
			}

			throw error;
		}
	}

	return true;
}
