/** Changes a directory of settings so that whoever reads it finds it as before or as after, whenever we die. */
import {Buffer} from 'node:buffer';
import {
	chmodSync, chownSync, closeSync, cpSync, existsSync, fchmodSync, fstatSync, fsyncSync, linkSync, lstatSync, mkdirSync, mkdtempSync, openSync, readdirSync,
	readFileSync, realpathSync, renameSync, rmSync, statSync, unlinkSync, writeSync,
} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import {type Native} from '../../native.js';
import {CliError, errorCode} from '../cli-error.js';
import {toRaw} from '../raw.js';
import {isTemporaryDirectory, isTemporaryFile, journalName, temporaryDirectory, temporaryFile} from './temporary-names.js';

/** File names and their new content, of one character a byte; undefined: removed. */
export type Changes = ReadonlyMap<string, string | undefined>;

export function writeDirectory(directory: string, changes: Changes, native: Native, {timeoutMs = lockTimeoutMs}: {readonly timeoutMs?: number} = {}): void {
	try {
		const target = makeDirectory(directory);
		const lock = takeLock(target, timeoutMs, native);
		try {
			finishChange(target);
			removeLeftovers(target);
			const [first, ...others] = changes;
			if (first && others.length === 0) {
				changeOne(target, first[0], first[1]);
			} else if (first) {
				changeSeveral(target, changes, native);
			}
		} finally {
			closeSync(lock);
		}
	} catch (error) {
		throw error instanceof CliError ? error : explain(directory, error);
	}
}

const lockTimeoutMs = 5000;
const lockRetryMs = 10;

/** One change at a time: what another process writes meanwhile would be lost. */
function takeLock(directory: string, timeoutMs: number, native: Native): number {
	for (const end = Date.now() + timeoutMs; ;) {
		const fd = openSync(directory, 'r');
		const {dev, ino} = fstatSync(fd);
		// Whoever had it may have put another directory there.
		const isOurs = native.lock(fd) && statSync(directory).ino === ino && statSync(directory).dev === dev;
		if (isOurs) {
			return fd;
		}

		closeSync(fd);
		if (Date.now() > end) {
			throw new CliError(`${directory} is being changed by another process`, {code: 'busy', remedy: 'Nothing was changed. Try again; fuser tells which process has it open.'});
		}

		Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lockRetryMs);
	}
}

/** Whoever has the lock finds only those of the dead. */
function removeLeftovers(directory: string): void {
	const parent = path.dirname(directory);
	const files = [
		...listNames(directory).filter(name => isTemporaryFile(name)).map(name => path.join(directory, name)),
		...listNames(parent).filter(name => isTemporaryDirectory(name, directory)).map(name => path.join(parent, name)),
	];
	for (const file of files) {
		try {
			if (lstatSync(file).uid === process.getuid?.()) {
				rmSync(file, {recursive: true, force: true});
			}
		} catch {
			// It does no harm.
		}
	}
}

/** A directory above may be closed to us. */
function listNames(directory: string): string[] {
	try {
		return readdirSync(directory);
	} catch {
		return [];
	}
}

/** Made if need be; symbolic links to it stay links. */
function makeDirectory(directory: string): string {
	makeParents(path.resolve(directory));
	return realpathSync(directory);
}

/** Node's own recursion never ends where nothing can be made, as in /proc. */
function makeParents(directory: string): void {
	if (existsSync(directory)) {
		return;
	}

	makeParents(path.dirname(directory));
	try {
		mkdirSync(directory, {mode: 0o755});
	} catch (error) {
		if (errorCode(error) !== 'EEXIST') {
			throw error;
		}
	}
}

/** A temporary file beside it, renamed. */
function changeOne(directory: string, name: string, content: string | undefined): void {
	if (content === undefined) {
		rmSync(path.join(directory, name), {force: true});
	} else {
		const temporary = path.join(directory, temporaryFile(name));
		try {
			writeFile(temporary, content);
			renameSync(temporary, path.join(directory, name));
		} finally {
			rmSync(temporary, {force: true});
		}
	}

	sync(directory);
}

/** What a mount point, a parent that is closed to us, or files that may not be linked answer. */
const needsOtherWay = new Set(['EACCES', 'EPERM', 'EROFS', 'EBUSY', 'EXDEV', 'EINVAL', 'ENOSYS']);

function changeSeveral(directory: string, changes: Changes, native: Native): void {
	try {
		changeMany(directory, changes, native);
	} catch (error) {
		if (!needsOtherWay.has(errorCode(error) ?? '')) {
			throw error;
		}

		changeInPlace(directory, changes);
	}
}

/**
 * One file after the other, where the directory itself cannot be exchanged. First all new files are written beside the old ones, then a
 * journal says what is to be done, then it is done; the journal goes last. Who dies before the journal has changed nothing; what was not
 * done after it is done by the next change, whatever that is, and until then told as a fault.
 */
function changeInPlace(directory: string, changes: Changes): void {
	const names = [...changes.keys()];
	const put = names.filter(name => changes.get(name) !== undefined);
	const journal: Journal = {put, remove: names.filter(name => !put.includes(name))};
	const temporaries = [...put, journalName].map(name => path.join(directory, temporaryFile(name)));
	try {
		for (const name of put) {
			writeFile(path.join(directory, temporaryFile(name)), changes.get(name) ?? '');
		}

		const file = path.join(directory, temporaryFile(journalName));
		writeFile(file, JSON.stringify(journal));
		sync(directory);
		renameSync(file, path.join(directory, `.${journalName}`));
		sync(directory);
	} catch (error) {
		for (const file of temporaries) {
			rmSync(file, {force: true});
		}

		throw error;
	}

	finishChange(directory);
}

type Journal = {readonly put: readonly string[]; readonly remove: readonly string[]};

/** Does what is left of a journal, if there is one; each step may have been done already. */
function finishChange(directory: string): void {
	const file = path.join(directory, `.${journalName}`);
	if (!existsSync(file)) {
		return;
	}

	const {put, remove} = JSON.parse(readFileSync(file, 'utf8')) as Journal;
	for (const name of put) {
		const temporary = path.join(directory, temporaryFile(path.basename(name)));
		if (existsSync(temporary)) {
			renameSync(temporary, path.join(directory, path.basename(name)));
		}
	}

	for (const name of remove) {
		rmSync(path.join(directory, path.basename(name)), {force: true});
	}

	sync(directory);
	rmSync(file);
	sync(directory);
}

/** A directory with the new files and links to the others takes the place of the old one, at once. */
function changeMany(directory: string, changes: Changes, native: Native): void {
	const parent = path.dirname(directory);
	const fresh = mkdtempSync(path.join(parent, temporaryDirectory(directory)));
	try {
		const {mode, uid, gid} = statSync(directory);
		for (const name of readdirSync(directory)) {
			if (!changes.has(name)) {
				carryOver(path.join(directory, name), path.join(fresh, name));
			}
		}

		for (const [name, content] of changes) {
			if (content !== undefined) {
				writeFile(path.join(fresh, name), content);
			}
		}

		chownSync(fresh, uid, gid);
		chmodSync(fresh, mode & 0o7777);
		sync(fresh);
		native.exchange(toRaw(fresh), toRaw(directory));
		sync(parent);
	} finally {
		rmSync(fresh, {recursive: true, force: true});
	}
}

function carryOver(from: string, to: string): void {
	if (lstatSync(from).isDirectory()) {
		cpSync(from, to, {recursive: true, preserveTimestamps: true, verbatimSymlinks: true});
	} else {
		linkSync(from, to);
	}
}

function writeFile(file: string, content: string): void {
	const fd = openSync(file, 'wx', 0o644);
	try {
		const bytes = Buffer.from(content, 'latin1');
		for (let offset = 0; offset < bytes.length;) {
			offset += writeSync(fd, bytes, offset);
		}

		// Whatever the umask is: programs of every user read the settings.
		fchmodSync(fd, 0o644);
		fsyncSync(fd);
	} catch (error) {
		unlinkSync(file);
		throw error;
	} finally {
		closeSync(fd);
	}
}

function sync(directory: string): void {
	const fd = openSync(directory, 'r');
	try {
		fsyncSync(fd);
	} finally {
		closeSync(fd);
	}
}

function explain(directory: string, error: unknown): CliError {
	const code = errorCode(error);
	const isForbidden = code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
	return new CliError(`${directory} cannot be changed: ${error instanceof Error ? error.message : String(error)}`, {
		code: isForbidden ? 'permission' : 'write-failed',
		cause: error,
		remedy: isForbidden
			? 'Nothing was changed. Use sudo; or keep your own directory: --dir ~/.config/rsocket here, and rsrun --config-dir ~/.config/rsocket.'
			: (code === 'ENOENT' ? 'Nothing was changed. No directory can be made there: give another one with --dir.' : 'Nothing was changed. Make room, or give another directory with --dir.'),
	});
}
