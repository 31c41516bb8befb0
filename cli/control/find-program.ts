/** Finds what execvp would run. */
import {accessSync, constants, statSync} from 'node:fs';
import {CliError, errorCode, exitCodes} from './cli-error.js';
import {
	fromRaw, joinRaw, rawBuffer, splitRaw, toRaw, type Raw,
} from './raw.js';

/** What the C library searches when PATH is not set. */
const defaultPath = toRaw('/bin:/usr/bin');

/** The file that `name` starts; throws a CliError with exit code 127 (nothing there) or 126 (not executable). */
export function findProgram(name: Raw, path: Raw | undefined): Raw {
	const shown = fromRaw(name);
	let refusal: CliError | undefined;
	for (const candidate of candidates(name, path ?? defaultPath)) {
		const obstacle = whyNotExecutable(candidate);
		if (obstacle === undefined) {
			return candidate;
		}

		if (obstacle !== 'missing') {
			refusal ??= new CliError(`cannot start ${shown}: ${candidate === name ? 'it' : fromRaw(candidate)} ${obstacle}`, {
				code: 'not-executable',
				remedy: 'Check the path, or make the file executable with chmod +x.',
				exitCode: exitCodes.notExecutable,
			});
		}
	}

	throw refusal ?? new CliError(`cannot start ${shown}: there is no such ${name.includes('/') ? 'file' : 'program in PATH'}`, {
		code: 'not-found',
		remedy: 'Check the spelling, install the program, or give its path.',
		exitCode: exitCodes.notFound,
	});
}

function candidates(name: Raw, path: Raw): Raw[] {
	if (name === '') {
		return [];
	}

	return name.includes('/') ? [name] : splitRaw(path, ':').map(directory => directory === '' ? name : joinRaw(directory, toRaw('/'), name));
}

function whyNotExecutable(path: Raw): string | undefined {
	try {
		const status = statSync(rawBuffer(path));
		if (status.isDirectory()) {
			return 'is a directory';
		}

		if (!status.isFile()) {
			return 'is not a regular file';
		}

		accessSync(rawBuffer(path), constants.X_OK);
		return undefined;
	} catch (error) {
		return errorCode(error) === 'EACCES' ? 'is not executable for this user' : 'missing';
	}
}
