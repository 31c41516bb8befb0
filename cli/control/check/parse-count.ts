/** Numbers on a command line. */
import {CliError} from '../cli-error.js';

/** Throws a CliError for what is no number, or less than `least`. */
export function parseCount(name: string, text: string, least: number): number {
	if (!/^\d{1,6}$/.test(text) || Number(text) < least) {
		throw new CliError(`--${name} cannot be "${text}"`, {code: 'count', remedy: `Give a number from ${least}.`});
	}

	return Number(text);
}
