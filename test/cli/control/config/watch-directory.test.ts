import {mkdirSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {watchDirectory} from '../../../../cli/control/config/watch-directory.js';
import {makeTemporaryDirectory} from '../../helpers/temporary-directory.js';
import {takeSteps} from '../../helpers/take-steps.js';

/** Watches until `steps` are through: each makes a change and says whether what is told fits it; the next follows. Returns how many were told. */
async function watchSteps(directory: string, steps: ReadonlyArray<readonly [change: () => void, isThere: () => boolean]>): Promise<number> {
	const controller = new AbortController();
	const {begin, tell, taken} = takeSteps(steps, controller);

	await watchDirectory(directory, {
		signal: controller.signal,
		onReady: begin,
		// Hints may come early, or twice.
		onChange() {
			tell();
		},
	});
	return taken();
}

type Files = {readonly write: (name: string, text: string) => void; readonly remove: (name: string) => void};

function filesIn(directory: string): Files {
	return {
		write(name, text) {
			writeFileSync(path.join(directory, name), text);
		},
		remove(name) {
			rmSync(path.join(directory, name), {recursive: true});
		},
	};
}

/** Tells the changes in which the test's own state says that it is told. */
function told(action: () => void): readonly [() => void, () => boolean] {
	let isMade = false;
	return [() => {
		action();
		isMade = true;
	}, () => isMade];
}

test('files that come, change and go', async t => {
	const directory = makeTemporaryDirectory(t);
	const {write, remove} = filesIn(directory);
	t.is(await watchSteps(directory, [
		told(() => {
			write('a', '1');
		}),
		told(() => {
			write('a', '2');
		}),
		told(() => {
			remove('a');
		}),
	]), 3);
});

async function watchFrom(t: ExecutionContext, start: (root: string) => void, steps: (root: string, directory: string) => ReadonlyArray<readonly [() => void, () => boolean]>): Promise<void> {
	const root = makeTemporaryDirectory(t);
	start(root);
	const directory = path.join(root, 'above', 'settings');
	const list = steps(root, directory);
	t.is(await watchSteps(directory, list), list.length);
}

test('a directory that comes, with what is above it, and goes', async t => {
	await watchFrom(t, () => undefined, (root, directory) => [
		told(() => {
			mkdirSync(directory, {recursive: true});
		}),
		told(() => {
			writeFileSync(path.join(directory, 'a'), '1');
		}),
		told(() => {
			rmSync(path.join(root, 'above'), {recursive: true});
		}),
		told(() => {
			mkdirSync(directory, {recursive: true});
		}),
	]);
});

test('a directory that another one takes the place of', async t => {
	await watchFrom(t, root => {
		mkdirSync(path.join(root, 'above', 'settings'), {recursive: true});
		mkdirSync(path.join(root, 'above', 'new'));
	}, (root, directory) => [
		told(() => {
			renameSync(directory, path.join(root, 'above', 'old'));
			renameSync(path.join(root, 'above', 'new'), directory);
		}),
		// It is the new one that is watched.
		told(() => {
			writeFileSync(path.join(directory, 'a'), '1');
		}),
	]);
});

test('an end before the start, and one in the middle of changes', async t => {
	const directory = makeTemporaryDirectory(t);
	let ready = 0;
	await watchDirectory(directory, {
		signal: AbortSignal.abort(),
		onReady() {
			ready++;
		},
		onChange() {
			t.fail();
		},
	});
	t.is(ready, 1);
	const controller = new AbortController();
	await watchDirectory(directory, {
		signal: controller.signal,
		onReady() {
			writeFileSync(path.join(directory, 'a'), '1');
			controller.abort();
		},
		onChange() {
			t.fail();
		},
	});
});
