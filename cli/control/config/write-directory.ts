/** Changes a directory of settings so that whoever reads it finds it as before or as after, whenever we die. */
import {Buffer} from 'node:buffer';
import {
	chmodSync, chownSync, closeSync, cpSync, fchmodSync, fsyncSync, linkSync, lstatSync, mkdirSync, mkdtempSync, openSync, readdirSync,
	realpathSync, renameSync, rmSync, statSync, unlinkSync, writeSync,
} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import {type Native} from '../../native.js';
import {CliError, errorCode} from '../cli-error.js';
import {toRaw} from '../raw.js';

/** File names and their new content, of one character a byte; undefined: removed. */
export type Changes = ReadonlyMap<string, string | undefined>;

export function writeDirectory(directory: string, changes: Changes, native: Native): void {
	try {
		const target = makeDirectory(directory);
		const [first, ...others] = changes;
		if (first && others.length === 0) {
			changeOne(target, first[0], first[1]);
		} else if (first) {
			changeMany(target, changes, native);
		}
	} catch (error) {
		throw explain(directory, error);
	}
}

/** Made if need be; symbolic links to it stay links. */
function makeDirectory(directory: string): string {
	mkdirSync(directory, {recursive: true, mode: 0o755});
	return realpathSync(directory);
}

/** A temporary file beside it, renamed. */
function changeOne(directory: string, name: string, content: string | undefined): void {
	if (content === undefined) {
		rmSync(path.join(directory, name), {force: true});
	} else {
		const temporary = path.join(directory, `.${name}.${process.pid}`);
		try {
			writeFile(temporary, content);
			renameSync(temporary, path.join(directory, name));
		} finally {
			rmSync(temporary, {force: true});
		}
	}

	sync(directory);
}

/** A directory with the new files and links to the others takes the place of the old one, at once. */
function changeMany(directory: string, changes: Changes, native: Native): void {
	const parent = path.dirname(directory);
	const fresh = mkdtempSync(path.join(parent, `.${path.basename(directory)}.`));
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
			: 'Nothing was changed. Several settings at once need a directory whose parent can be written, and which is no mount point.',
	});
}
