/** Which files a program brings into its process at the start, as the dynamic linker would find them. */
import {spawnSync} from 'node:child_process';
import {existsSync} from 'node:fs';
import path from 'node:path';
import {readImports, type Imports} from './read-imports.js';

export type LoadedFile = {readonly file: string; readonly imports: Imports};

const defaultDirectories = ['/lib', '/usr/lib', '/lib64', '/usr/lib64'];

/** The program itself first, then every library, once. The parts of the C library are not among them. */
export function findLoadedFiles(program: string, lookUp = libraryIndex()): LoadedFile[] {
	const found: LoadedFile[] = [];
	const seen = new Set<string>();
	const queue = [program];
	for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
		if (seen.has(file)) {
			continue;
		}

		seen.add(file);
		const imports = readImports(file);
		if (imports) {
			found.push({file, imports});
			queue.push(...imports.libraries.filter(name => !isLibc(name)).flatMap(name => findLibrary(name, file, imports, lookUp) ?? []));
		}
	}

	return found;
}

export function isLibc(name: string): boolean {
	return /^(?:lib(?:c|m|dl|rt|pthread|util|resolv|anl|nsl|BrokenLocale|thread_db|gcc_s)\.so\.|ld-linux)/.test(path.basename(name));
}

function findLibrary(name: string, loader: string, {searchPath}: Imports, lookUp: ReadonlyMap<string, string>): string | undefined {
	if (name.includes('/')) {
		return name;
	}

	const origin = path.dirname(loader);
	const directories = searchPath.map(directory => directory.replaceAll(/\$(?:ORIGIN|{ORIGIN})/g, origin)).filter(directory => path.isAbsolute(directory));
	return directories.map(directory => path.join(directory, name)).find(file => existsSync(file))
		?? lookUp.get(name)
		?? defaultDirectories.map(directory => path.join(directory, name)).find(file => existsSync(file));
}

let index: Map<string, string> | undefined;

/** What the linker's cache says; of several files of a name the first. */
function libraryIndex(): ReadonlyMap<string, string> {
	if (!index) {
		index = new Map();
		const {stdout} = spawnSync('ldconfig', ['-p'], {encoding: 'utf8', env: {PATH: '/usr/sbin:/sbin:/usr/bin:/bin'}});
		for (const [, name = '', file = ''] of (stdout ?? '').matchAll(/^\t(\S+) \(libc6,[^)]*\) => (\S+)$/gm)) {
			if (!index.has(name)) {
				index.set(name, file);
			}
		}
	}

	return index;
}
