/** Files that tools of this package made and did not live to remove. */
import {existsSync, readdirSync, readFileSync, readlinkSync, statSync} from 'node:fs';
import path from 'node:path';
import {isTemporaryDirectory, isTemporaryFile, journalName} from '../config/temporary-names.js';

type Search = {
	readonly temporaryDirectory: string;
	readonly configDirectory: string;
	/** Whose files count; undefined: everybody's. */
	readonly uid: number | undefined;
	readonly now: number;
};

/** Younger ones may be about to be used. */
const ageMs = 60_000;

/** Paths of files and directories that no process uses. */
export function findLeftovers(search: Search, root = '/proc'): string[] {
	const {temporaryDirectory, configDirectory} = search;
	const candidates = [
		...list(temporaryDirectory, name => /^(?:rsrun|rscheck)-[\w-]{6,}$/.test(name)),
		// With a journal they are no leftovers: the next change puts them in their places.
		...(existsSync(path.join(configDirectory, `.${journalName}`)) ? [] : list(configDirectory, isTemporaryFile)),
		...list(path.dirname(configDirectory), name => isTemporaryDirectory(name, configDirectory)),
	].filter(file => isOld(file, search));
	if (candidates.length === 0) {
		return [];
	}

	const traces = listProcesses(root).flatMap(pid => readTraces(`${root}/${pid}`));
	return candidates.filter(file => !isMakerAlive(file, root) && !traces.some(trace => trace.includes(file)));
}

function list(directory: string, fits: (name: string) => boolean): string[] {
	try {
		return readdirSync(directory).filter(name => fits(name)).map(name => path.join(directory, name));
	} catch {
		return [];
	}
}

function isOld(file: string, {uid, now}: Search): boolean {
	const status = statSync(file, {throwIfNoEntry: false});
	return status !== undefined && (uid === undefined || status.uid === uid) && now - status.mtimeMs > ageMs;
}

/** The names of rscheck's directories say who made them. */
function isMakerAlive(file: string, root: string): boolean {
	const pid = /^rscheck-(\d+)-\w+$/.exec(path.basename(file))?.[1];
	return pid !== undefined && statSync(`${root}/${pid}`, {throwIfNoEntry: false}) !== undefined;
}

function listProcesses(root: string): string[] {
	return readdirSync(root).filter(name => /^\d+$/.test(name));
}

/** Where a process that uses a file shows it. */
function readTraces(directory: string): string[] {
	const texts = ['environ', 'cmdline', 'maps'].map(name => attempt(() => readFileSync(`${directory}/${name}`, 'latin1')) ?? '');
	const descriptors = attempt(() => readdirSync(`${directory}/fd`)) ?? [];
	const links = ['cwd', ...descriptors.map(name => `fd/${name}`)].map(name => attempt(() => readlinkSync(`${directory}/${name}`)) ?? '');
	return [...texts, ...links];
}

/** Undefined where the process is gone, or not ours to look into. */
function attempt<Result>(read: () => Result): Result | undefined {
	try {
		return read();
	} catch {
		return undefined;
	}
}
