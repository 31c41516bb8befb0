/** A directory that stands for `/`, with the files that a test names. */
import {mkdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import type {ExecutionContext} from 'ava';
import {makeTemporaryDirectory} from './temporary-directory.js';

export function makeRoot(t: ExecutionContext, files: Readonly<Record<string, string>>): string {
	const root = makeTemporaryDirectory(t);
	for (const [name, text] of Object.entries(files)) {
		const file = path.join(root, name);
		mkdirSync(path.dirname(file), {recursive: true});
		writeFileSync(file, text, {mode: 0o644});
	}

	return root;
}
