/** Follows a directory of settings: how it stands, then each file that changes. */
import {type Native} from '../../native.js';
import {compareDirectories, type FileChange} from './compare-directories.js';
import {readDirectory, type Directory} from './read-directory.js';
import {watchDirectory} from './watch-directory.js';

type Following = {
	readonly native: Native;
	readonly signal: AbortSignal;
	/** Once; no change after it is missed. */
	readonly onStart: (directory: Directory) => void;
	readonly onChange: (change: FileChange) => void;
};

/** Resolves once `signal` is aborted. The directory need not exist yet. */
export async function watchConfiguration(directory: string, {native, signal, onStart, onChange}: Following): Promise<void> {
	let before = readDirectory(directory, native);
	await watchDirectory(directory, {
		signal,
		onReady() {
			before = readDirectory(directory, native);
			onStart(before);
		},
		onChange() {
			const after = readOrKeep(directory, before, native);
			for (const change of compareDirectories(before, after)) {
				onChange(change);
			}

			before = after;
		},
	});
}

/** A directory that cannot be read just now is told once, not fatal: somebody is at it. */
function readOrKeep(directory: string, before: Directory, native: Native): Directory {
	try {
		return readDirectory(directory, native);
	} catch (error) {
		const message = error instanceof Error ? error.message : String(error);
		return {...before, faults: [{file: directory, message, remedy: 'Make the directory readable again.'}]};
	}
}
