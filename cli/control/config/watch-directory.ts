/** Tells whenever something about a directory may have changed: also when it appears, goes, or is exchanged for another one. */
import {existsSync, statSync} from 'node:fs';
import path from 'node:path';
import {watch, type FSWatcher} from 'chokidar';

/** Changes that come together are told once. */
const settleMs = 100;

/** Resolves once `signal` is aborted. `onReady` is called when no change after it can be missed. */
export async function watchDirectory(directory: string, {signal, onReady, onChange}: {readonly signal: AbortSignal; readonly onReady: () => void; readonly onChange: () => void}): Promise<void> {
	let watcher: FSWatcher | undefined;
	let identity = '';
	let timer: NodeJS.Timeout | undefined;
	const settle = () => {
		clearTimeout(timer);
		timer = setTimeout(() => {
			void tell();
		}, settleMs);
	};

	const tell = async () => {
		// A watcher stays with the directory that it began with.
		if (identify(directory) !== identity) {
			await arm();
		}

		if (!signal.aborted) {
			onChange();
		}
	};

	const arm = async () => {
		identity = identify(directory);
		// First, because watchers of one path share what they learn of it.
		await watcher?.close();
		watcher = await startWatcher(directory, settle);
		// It is ready a moment before it really watches: what changed meanwhile is found by looking once more.
		settle();
	};

	await arm();
	onReady();
	if (!signal.aborted) {
		await new Promise<void>(resolve => {
			signal.addEventListener('abort', () => {
				resolve();
			}, {once: true});
		});
	}

	clearTimeout(timer);
	await watcher?.close();
}

/** The directory, and the nearest directory above it that exists, for its name only. */
async function startWatcher(directory: string, onEvent: () => void): Promise<FSWatcher> {
	const above = nearestExisting(path.dirname(directory));
	const watcher = watch([above, directory], {
		depth: 0, ignoreInitial: true, persistent: true,
		ignored: file => file !== above && file !== directory && path.dirname(file) !== directory,
	});
	watcher.on('raw', onEvent).on('all', onEvent).on('error', onEvent);
	await new Promise<void>(resolve => {
		watcher.once('ready', resolve);
	});
	return watcher;
}

function nearestExisting(directory: string): string {
	return existsSync(directory) || path.dirname(directory) === directory ? directory : nearestExisting(path.dirname(directory));
}

/** Changes when another directory takes the path, or when one above it comes or goes. */
function identify(directory: string): string {
	const stats = statSync(directory, {throwIfNoEntry: false});
	return `${nearestExisting(path.dirname(directory))} ${stats?.dev ?? ''} ${stats?.ino ?? ''}`;
}
