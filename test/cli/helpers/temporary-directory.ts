/** A directory that lives as long as its test. */
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import type {ExecutionContext} from 'ava';

export function makeTemporaryDirectory(t: ExecutionContext): string {
	const directory = mkdtempSync(path.join(tmpdir(), 'rsocket-test-'));
	t.teardown(() => {
		// Children of a program that was killed may still write into it.
		rmSync(directory, {recursive: true, force: true, maxRetries: 20});
	});
	return directory;
}

/** Returns the path. */
export function writeTemporaryFile(directory: string, name: string, content: string | Uint8Array, mode = 0o755): string {
	const file = path.join(directory, name);
	writeFileSync(file, content, {mode});
	return file;
}
