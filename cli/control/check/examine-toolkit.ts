/** Whether the toolkit itself is all there. */
import {statSync} from 'node:fs';
import path from 'node:path';
import {readImports} from './read-imports.js';
import {
	finding, readSystemFile, type EnvFinding, type Root,
} from './machine.js';

/** `library`: what programs preload; `preloaded`: LD_PRELOAD. */
export function examineToolkit(root: Root, library: string, preloaded: string): EnvFinding[] {
	if (!readImports(library)) {
		return [finding(['toolkit', 'bad', 'library'], `${library} is missing or broken.`, 'npm run build')];
	}

	const closed = findClosed(library);
	const everywhere = readSystemFile(root, 'etc/ld.so.preload')?.trim() ?? '';
	return [
		finding(['toolkit', 'good', 'library'], library),
		...(/[\s:$]/.test(library) ? [finding(['toolkit', 'bad', 'library-path'], 'The library\'s path holds a space, a colon or a dollar: it cannot stand in LD_PRELOAD.', 'Move the toolkit.')] : []),
		...(closed === undefined ? [] : [finding(['toolkit', 'warning', 'library-access'], `${closed} is closed to other users: a program that changes its user and then starts another one starts that one plain.`, `chmod o+rx ${closed}`)]),
		...(everywhere === '' ? [] : [finding(['toolkit', 'note', 'ld-so-preload'], `/etc/ld.so.preload puts ${everywhere.split(/\s+/).join(' ')} into every program.`, 'See that it maps no socket calls: rscheck app tells.')]),
		...(preloaded === '' ? [] : [finding(['toolkit', 'note', 'ld-preload'], `LD_PRELOAD is set here: ${preloaded}`, 'See that it maps no socket calls.')]),
	];
}

/** The first part of the path that others cannot go through. */
function findClosed(library: string): string | undefined {
	const parts = library.split('/').slice(1);
	const places = parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
	return places.find(place => (statSync(path.resolve(place)).mode & 0o5) !== 0o5);
}
