/** What a running process tells about its part in promotions, to those who may look into it. */
import {readdirSync, readFileSync, readlinkSync} from 'node:fs';
import path from 'node:path';
import {defaultDirectory} from '../config/read-directory.js';
import {splitNul} from '../raw.js';

export type ProcessFacts = {
	readonly pid: number;
	readonly program: string;
	/** What it executes. */
	readonly executable: string;
	/** The librspreload.so that is mapped into it, as we can reach it. */
	readonly library: string | undefined;
	/** RSOCKET_SET as it was started with; undefined: it has overwritten its environment (some do, to show a title). */
	readonly settings: string | undefined;
	/** RSOCKET_RULES. */
	readonly rules: string | undefined;
	/** Its directory of settings as we can reach it. */
	readonly configDirectory: string;
	/** System-call filters, inherited ones included. */
	readonly filters: number;
	/** Its descriptors of the socket. */
	readonly descriptors: readonly number[];
};

/** Undefined: it is gone, or not ours to look into. `root` is /proc, or a test's. */
export function inspectProcess(pid: number, inode: number, root = '/proc'): ProcessFacts | undefined {
	const directory = `${root}/${pid}`;
	try {
		const environment = splitNul(readFileSync(`${directory}/environ`));
		const variable = (name: string): string | undefined => environment.find(text => text.startsWith(`${name}=`))?.slice(name.length + 1);
		const library = findMapped(readFileSync(`${directory}/maps`, 'utf8'));
		const config = variable('RSOCKET_CONFIG_DIR');
		return {
			pid,
			program: readFileSync(`${directory}/comm`, 'utf8').trim(),
			executable: readlinkSync(`${directory}/exe`),
			library: library === undefined ? undefined : reach(directory, library),
			settings: library !== undefined && variable('LD_PRELOAD') === undefined ? undefined : variable('RSOCKET_SET') ?? '',
			rules: variable('RSOCKET_RULES'),
			configDirectory: reach(directory, config === undefined || config === '' ? defaultDirectory : config),
			filters: Number(/^Seccomp_filters:\s+(\d+)/m.exec(readFileSync(`${directory}/status`, 'utf8'))?.[1] ?? 0),
			descriptors: findDescriptors(directory, inode),
		};
	} catch {
		return undefined;
	}
}

/** Under the process's own root, which may be another container's. */
function reach(directory: string, file: string): string {
	return path.join(directory, path.isAbsolute(file) ? 'root' : 'cwd', file);
}

function findMapped(maps: string): string | undefined {
	return / (\/\S*\/librspreload\.so\S*)(?: \(deleted\))?$/m.exec(maps)?.[1];
}

function findDescriptors(directory: string, inode: number): number[] {
	return readdirSync(`${directory}/fd`).filter(name => {
		try {
			return readlinkSync(`${directory}/fd/${name}`) === `socket:[${inode}]`;
		} catch {
			return false;
		}
	}).map(Number);
}
