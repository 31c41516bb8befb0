/** Seconds on a command line. */
import {CliError} from '../cli-error.js';

export function parseSeconds(name: string, text: string): number {
	const seconds = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
	if (seconds >= 0.05 && seconds <= 86_400) {
		return seconds;
	}

	throw new CliError(`--${name} ${text} is not a number of seconds from 0.05 to 86400`, {code: 'usage', remedy: `Give --${name} such a number.`});
}
