/** Control characters on a command line. */
import {CliError} from '../cli-error.js';

const plain: Readonly<Record<string, string>> = {r: '\r', n: '\n', t: '\t', 0: '\0', '\\': '\\'};

/** `\r`, `\n`, `\t`, `\0`, `\xHH`, `\\`; throws a CliError for any other backslash. */
export function readEscapes(text: string): string {
	return text.replaceAll(/\\(x[\da-fA-F]{2}|[^]?)/g, (whole, code: string) => {
		const character = code.length === 3 ? String.fromCodePoint(Number.parseInt(code.slice(1), 16)) : plain[code];
		if (character === undefined) {
			throw new CliError(`"${whole}" in "${text}" says nothing`, {code: 'escape', remedy: String.raw`Write \\ for a backslash; \r, \n, \t, \0 and \xHH are understood.`});
		}

		return character;
	});
}
