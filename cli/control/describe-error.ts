/** Errors as users see them. */
import {CliError, errorCode} from './cli-error.js';

export type How = {
	readonly isJson: boolean;
	/** With the traces. */
	readonly isDebug: boolean;
};

export function describeError(error: unknown, tool: string, {isJson, isDebug}: How): string {
	const {code, message, remedy, details} = explain(error);
	const stack = isDebug ? traces(error) : undefined;
	return isJson
		? `${JSON.stringify({error: {code, message, remedy, ...(details && {details}), ...(stack && {stack})}}, undefined, '\t')}\n`
		: `${tool}: ${message}\n${remedy}\n${stack === undefined ? '' : `${stack}\n`}`;
}

/** What is neither a CliError nor a lack of something is a bug of ours: it is told as one. */
function explain(error: unknown): CliError {
	if (error instanceof CliError) {
		return error;
	}

	const message = error instanceof Error ? error.message : String(error);
	switch (errorCode(error) ?? '') {
		case 'EMFILE':
		case 'ENFILE': {
			return new CliError('too few files may be open (ulimit -n)', {code: 'nofile', cause: error, remedy: 'Raise the limit: ulimit -n 1024; where that is refused, as root: prlimit --pid $$ --nofile=1024:.'});
		}

		case 'ENOMEM':
		case 'ENOSPC':
		case 'EDQUOT': {
			return new CliError(`there is no room: ${message}`, {code: 'no-room', cause: error, remedy: 'Make room, in memory or on the disk that it names.'});
		}

		default: {
			return new CliError(`internal error: ${message}`, {code: 'internal', cause: error, remedy: 'Please report it, with what --debug shows.'});
		}
	}
}

function traces(error: unknown): string {
	return error instanceof Error
		? `${error.stack ?? error.message}${error.cause === undefined ? '' : `\nCaused by: ${traces(error.cause)}`}`
		: String(error);
}
