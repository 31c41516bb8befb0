/** What to do about a line that is no rule. */
import {type Native} from '../../native.js';
import {describeRange} from '../check-setting.js';
import {findNearest} from '../find-nearest.js';

/** The word at fault and, for a mistyped one, the nearest right one. */
export function findRemedy(text: string, number: number, native: Native): string {
	const words = text.trim().split(/\s+/);
	const word = words[number - 1];
	if (word === undefined) {
		return 'A word is missing.';
	}

	const [key = ''] = word.split('=');
	const options = native.options();
	if (words[0] === 'use' && options.some(({name, isOfConnection}) => name === key && name !== 'transport' && !isOfConnection)) {
		return `It says ${quote(word)}; a rule of its own gives it to the whole process: ${JSON.stringify(`set ${words[3]} ${word}`)}.`;
	}

	const transports = options.find(({name}) => name === 'transport')?.values.split('|') ?? [];
	const nearest = findNearest(key, ['use', 'set', 'profile', 'both', 'server', 'client', ...transports, ...options.map(({name}) => name)]);
	const about = word.includes('=') ? options.find(({name}) => name === key || name === nearest) : undefined;
	const question = nearest === undefined || nearest === key ? '' : `; did you mean ${nearest}?`;
	return `It says ${quote(word)}${question}.${about ? ` ${about.name} is ${describeRange(about)}.` : ''}`.replace('?.', '?');
}

function quote(word: string): string {
	return JSON.stringify(word.length > 40 ? `${word.slice(0, 40)}...` : word);
}
