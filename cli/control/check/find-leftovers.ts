/** Files that tools of this package made and did not live to remove. */
import {readdirSync, readFileSync, readlinkSync, statSync} from 'node:fs';
import path from 'node:path';

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
		...list(temporaryDirectory, /^(?:rsrun|rscheck)-[\w-]{6,}$/),
		...list(configDirectory, /^\.[\w.]+\.\d+$/),
		...list(path.dirname(configDirectory), new RegExp(String.raw`^\.${escapePattern(path.basename(configDirectory))}\.\w{6}$`)),
	].filter(file => isOld(file, search));
	if (candidates.length === 0) {
		return [];
	}

	const traces = listProcesses(root).flatMap(pid => readTraces(`${root}/${pid}`));
	return candidates.filter(file => !isMakerAlive(file, root) && !traces.some(trace => trace.includes(file)));
}

function escapePattern(text: string): string {
	return text.replaceAll(/\W/g, String.raw`\$&`);
}

function list(directory: string, pattern: RegExp): string[] {
	try {
		return readdirSync(directory).filter(name => pattern.test(name)).map(name => path.join(directory, name));
	} catch {
		return [];
	}
}

function isOld(file: string, {uid, now}: Search): boolean {
	const status = statSync(file, {throwIfNoEntry: false});
	return status !== undefined && (uid === undefined || status.uid === uid) && now - status.mtimeMs > ageMs;
}

/** The names of rscheck's directories and of rsconfig's files say who made them. */
function isMakerAlive(file: string, root: string): boolean {
	const pid = /^(?:rscheck-(\d+)-\w+|\..*\.(\d+))$/.exec(path.basename(file))?.slice(1).find(Boolean);
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
