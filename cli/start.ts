/** The beginning and the end of every program of this package. */
import {createRequire} from 'node:module';
import process from 'node:process';
import {describeError} from './control/describe-error.js';
import {CliError} from './control/cli-error.js';
import {writeFully} from './control/write-fully.js';

/** Loads modules one file after the other: import() opens those of a whole graph at once, which a low limit of open files would not allow. */
export const load = createRequire(import.meta.url);

/** Sets the exit code to that of `run`; whatever it throws is told without a trace, unless there is --debug. */
export async function start(name: string, run: () => number | Promise<number>): Promise<void> {
	try {
		process.exitCode = await run();
	} catch (error) {
		const [own] = process.argv.slice(2).join('\0').split('\0--\0');
		const words = own?.split('\0') ?? [];
		writeFully(2, describeError(error, name, {isJson: words.includes('--json'), isDebug: words.includes('--debug')}));
		process.exitCode = error instanceof CliError ? error.exitCode : 125;
	}
}
