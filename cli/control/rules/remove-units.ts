/** Units in the text of rules, which the core does not know. */
import {type Native} from '../../native.js';
import {parseValue} from '../config/parse-value.js';
import {toRaw, type Raw} from '../raw.js';

/** Where the pairs of a rule begin. */
const wordsBeforePairs: Readonly<Record<string, number>> = {use: 5, set: 2};

/** Values of settings as the core has them; what is wrong is left to it. */
export function removeUnits(line: string, native: Native): string {
	const before = wordsBeforePairs[line.trim().split(/\s+/, 1)[0] ?? ''] ?? Infinity;
	let words = 0;
	return line.replaceAll(/[^ \t\r]+/g, word => {
		words = word.startsWith('#') ? -Infinity : words + 1;
		return words > before ? withoutUnit(word, native) : word;
	});
}

function withoutUnit(pair: string, native: Native): string {
	const [name = '', value = ''] = pair.split(/=(.*)/s);
	const option = native.options().find(row => row.name === name);
	if (!option || typeof native.optionParse(toRaw(name), value as Raw) === 'number') {
		return pair;
	}

	try {
		return `${name}=${parseValue(option, value, native)}`;
	} catch {
		return pair;
	}
}
