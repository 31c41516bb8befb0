/** What the functions of the library take from this process where a tool takes it from its command line. */
import path from 'node:path';
import process from 'node:process';
import {loadNative} from '../../native.js';
import {defaultDirectory, readDirectory, type Directory} from '../config/read-directory.js';

export type ConfigOptions = {
	/** Instead of RSOCKET_CONFIG_DIR or /etc/rdma/rsocket. */
	readonly directory?: string | undefined;
};

export type ChangeOptions = ConfigOptions & {
	/** Only tells what would be written. */
	readonly dryRun?: boolean | undefined;
};

export function directoryOf({directory = process.env['RSOCKET_CONFIG_DIR']}: ConfigOptions): string {
	return path.resolve(directory === undefined || directory === '' ? defaultDirectory : directory);
}

export function readOf(options: ConfigOptions): Directory {
	return readDirectory(directoryOf(options), loadNative());
}

export function searchPathOf(): string {
	return process.env['PATH'] ?? '/usr/bin:/bin';
}

/** One that is never aborted. */
export function neverAborted(): AbortSignal {
	return new AbortController().signal;
}
