/** The first line of a script, as the kernel and env(1) read it. */
import {type Raw} from './raw.js';

export type Shebang = {
	readonly path: Raw;
	/** The program that `/usr/bin/env` is asked for. */
	readonly viaEnv: Raw | undefined;
};

/** Undefined when `head`, the beginning of a file, names no interpreter. */
export function parseShebang(head: Raw): Shebang | undefined {
	const match = /^#![\t ]*([^\t\n ]+)[\t ]*([^\n]*)/.exec(head);
	if (!match) {
		return undefined;
	}

	const path = match[1] as Raw;
	return {path, viaEnv: /(?:^|\/)env$/.test(path) ? findEnvProgram(match[2] ?? '') : undefined};
}

/** Skips options and assignments; `-S` lets env split its one argument, and without it the argument is the name. */
function findEnvProgram(argument: string): Raw | undefined {
	const text = argument.trimEnd();
	const words = text.startsWith('-') ? text.replace(/^-\w*S|^--split-string=?/, '').trim().split(/[\t ]+/) : [text];
	return words.find(word => word !== '' && !word.startsWith('-') && !word.includes('=')) as Raw | undefined;
}
