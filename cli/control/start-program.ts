/** Starts a program in place of this process or as its child, the way execvp does. */
import {type ExitStatus, type Inherited, type Native} from '../native.js';
import {CliError, errorCode, exitCodes} from './cli-error.js';
import {type Environment} from './environment.js';
import {fromRaw, toRaw, type Raw} from './raw.js';

export type Launch = {
	readonly path: Raw;
	readonly argv: readonly Raw[];
	readonly environment: Environment;
	readonly inherited: Inherited;
};

/** Never returns. */
export function replaceProcess(launch: Launch, native: Native): never {
	return start(launch, native.execve);
}

/** Blocks until the child has ended; signals are the child's between relayBegin and relayEnd. */
export function superviseChild(launch: Launch, native: Native): ExitStatus {
	return start(launch, native.spawnWait);
}

function start<Result>({path, argv, environment, inherited}: Launch, call: (path: Raw, argv: readonly Raw[], env: readonly Raw[], inherited: Inherited) => Result): Result {
	const env = environment.toList();
	try {
		try {
			return call(path, argv, env, inherited);
		} catch (error) {
			if (errorCode(error) !== 'ENOEXEC') {
				throw error;
			}

			// A script without a first line that names an interpreter.
			return call(toRaw('/bin/sh'), [toRaw('sh'), path, ...argv.slice(1)], env, inherited);
		}
	} catch (error) {
		throw new CliError(`cannot start ${fromRaw(path)}: ${error instanceof Error ? error.message : String(error)}`, {
			code: 'exec-failed',
			cause: error,
			remedy: 'Try to start it without rsrun.',
			exitCode: errorCode(error) === 'ENOENT' ? exitCodes.notFound : exitCodes.notExecutable,
		});
	}
}
