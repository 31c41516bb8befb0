/** A copy of the library for programs to preload: a build meanwhile must not change it under them, and every user can reach it. */
import {
	chmodSync, copyFileSync, mkdtempSync, rmSync, statSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import process from 'node:process';
import {preloadLibrary} from '../../native.js';
import {CliError} from '../cli-error.js';

export async function withLibrary<Result>(use: (library: string) => Promise<Result>): Promise<Result> {
	if (!statSync(preloadLibrary, {throwIfNoEntry: false})?.isFile()) {
		throw new CliError(`${preloadLibrary} is not a file`, {code: 'not-built', remedy: 'Run npm run build.'});
	}

	const directory = makeDirectory();
	try {
		const library = path.join(directory, 'librspreload.so');
		copyFileSync(preloadLibrary, library);
		chmodSync(directory, 0o755);
		chmodSync(library, 0o755);
		return await use(library);
	} finally {
		rmSync(directory, {recursive: true, force: true});
	}
}

function makeDirectory(): string {
	try {
		return mkdtempSync(path.join(tmpdir(), `rscheck-${process.pid}-`));
	} catch (error) {
		throw new CliError(`no directory can be made in ${tmpdir()}: ${error instanceof Error ? error.message : String(error)}`, {
			code: 'temporary-directory', cause: error, remedy: 'Set TMPDIR to a directory that can be written to.',
		});
	}
}
