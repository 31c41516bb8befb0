/** The file through which the target's processes tell what became of their connections. */
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {type ConnectionRecord, type Native} from '../native.js';
import {CliError} from './cli-error.js';
import {toRaw} from './raw.js';

/** 256 bytes each: 16 MiB of file. */
const capacity = 65_536;

export type Report = {readonly connections: readonly ConnectionRecord[]; readonly dropped: number};

/** Lives from before the target's start until after its end, in a directory that only this user can enter. */
export class ReportFile {
	readonly path: string;
	readonly #directory: string;
	readonly #native: Native;

	constructor(native: Native) {
		let directory: string | undefined;
		try {
			directory = mkdtempSync(path.join(tmpdir(), 'rsrun-'));
			this.path = path.join(directory, 'report');
			native.statsCreate(toRaw(this.path), capacity);
		} catch (error) {
			if (directory !== undefined) {
				removeAll(directory);
			}

			throw new CliError(`no report can be made in ${tmpdir()}: ${error instanceof Error ? error.message : String(error)}`, {
				code: 'report-file',
				cause: error,
				remedy: 'Make 16 MiB of room there, or set TMPDIR to another directory.',
			});
		}

		this.#native = native;
		this.#directory = directory;
	}

	read(): Report {
		return this.#native.statsRead(toRaw(this.path), capacity);
	}

	remove(): void {
		removeAll(this.#directory);
	}
}

function removeAll(directory: string): void {
	rmSync(directory, {recursive: true, force: true});
}
