/** How rsconfig calls what it is about to put in its place, so that what a killed one left can be found. */
import path from 'node:path';

/** With a dot before it: what is left to be done of a change, in the directory itself. */
export const journalName = 'unfinished';

/** Beside the file `name`. */
export function temporaryFile(name: string): string {
	return `.${name}.rsconfig`;
}

/** Beside a directory; mkdtemp adds six characters. */
export function temporaryDirectory(directory: string): string {
	return `.${path.basename(directory)}.rsconfig-`;
}

export function isTemporaryFile(name: string): boolean {
	return /^\.\w+\.rsconfig$/.test(name);
}

/** Whether `name` is one for `directory`. */
export function isTemporaryDirectory(name: string, directory: string): boolean {
	const begin = temporaryDirectory(directory);
	return name.startsWith(begin) && /^\w{6}$/.test(name.slice(begin.length));
}
