/** Which files a program brings into its process at the start, as the dynamic linker would find them. */
import {spawnSync} from 'node:child_process';
import {existsSync, realpathSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import {readImports, type Imports} from './read-imports.js';

export type LoadedFile = {readonly file: string; readonly imports: Imports};

export type Loaded = {
	/** The program itself first, then every library, once. The parts of the C library are not among them. */
	readonly files: readonly LoadedFile[];
	/** Libraries that the dynamic linker would not find. */
	readonly missing: readonly string[];
};

const defaultDirectories = ['/lib', '/usr/lib', '/lib64', '/usr/lib64'];

export function findLoadedFiles(program: string, lookUp = libraryIndex()): Loaded {
	const files: LoadedFile[] = [];
	const missing = new Set<string>();
	const seen = new Set<string>();
	const queue = [{file: program, inherited: environmentPath()}];
	for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
		const {file, inherited} = next;
		const imports = seen.has(file) ? undefined : readImports(file);
		seen.add(file);
		if (!imports) {
			continue;
		}

		files.push({file, imports});
		// What DT_RPATH of the loader's loader names counts too.
		const directories = [...imports.searchPath.flatMap(directory => expand(directory, file)), ...inherited];
		for (const name of imports.libraries) {
			const found = findLibrary(name, directories, lookUp);
			if (found === undefined) {
				missing.add(name);
			} else if (!isLibc(name)) {
				queue.push({file: found, inherited: directories});
			}
		}
	}

	// Without the linker's cache nobody knows where it looks.
	return {files, missing: lookUp.size === 0 ? [] : [...missing]};
}

function environmentPath(): string[] {
	return (process.env['LD_LIBRARY_PATH'] ?? '').split(/[:;]/).filter(Boolean);
}

export function isLibc(name: string): boolean {
	return /^(?:lib(?:c|m|dl|rt|pthread|util|resolv|anl|nsl|BrokenLocale|thread_db|gcc_s)\.so\.|ld-linux)/.test(path.basename(name));
}

/** Undefined: the linker would not find it. */
function findLibrary(name: string, directories: readonly string[], lookUp: ReadonlyMap<string, string>): string | undefined {
	if (name.includes('/')) {
		return existsSync(name) ? name : undefined;
	}

	return directories.map(directory => path.join(directory, name)).find(file => existsSync(file))
		?? lookUp.get(name)
		?? defaultDirectories.map(directory => path.join(directory, name)).find(file => existsSync(file));
}

/** The kernel says where a link led. $LIB is lib or lib64, or on Debian what stands for the architecture. */
function expand(directory: string, loader: string): string[] {
	const own = directory.replaceAll(/\$(?:ORIGIN|{ORIGIN})/g, path.dirname(realpathSync(loader)));
	const all = /\$(?:LIB|{LIB})/.test(own) ? ['lib', 'lib64', `lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`].map(name => own.replaceAll(/\$(?:LIB|{LIB})/g, name)) : [own];
	return all.filter(one => path.isAbsolute(one));
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
