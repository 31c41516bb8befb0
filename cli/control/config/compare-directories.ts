/** What changed between two looks at a directory of settings, file by file. */
import {contentsOf, readable} from './change.js';
import {type Fault} from './fault.js';
import {type Directory} from './read-directory.js';

export type FileChange = {
	readonly file: string;
	/** Null: there was, or is, no such file, or nothing readable in it. */
	readonly before: string | null;
	readonly after: string | null;
	/** Those of the file now. */
	readonly faults: readonly Fault[];
};

export function compareDirectories(before: Directory, after: Directory): FileChange[] {
	const [old, now] = [contents(before), contents(after)];
	const files = [...new Set([...old.keys(), ...now.keys(), ...[...before.faults, ...after.faults].map(({file}) => file)])].toSorted();
	return files.map(file => ({
		file, before: readable(old.get(file)), after: readable(now.get(file)), faults: faultsOf(after, file),
	})).filter(change => change.before !== change.after || JSON.stringify(change.faults) !== JSON.stringify(faultsOf(before, change.file)));
}

function contents(directory: Directory): Map<string, string> {
	return new Map([...contentsOf(directory)].flatMap(([name, text]) => text === undefined ? [] : [[`${directory.path}/${name}`, text]]));
}

function faultsOf({faults}: Directory, file: string): Fault[] {
	return faults.filter(fault => fault.file === file);
}
