/** The argument that names a setting. */
import {type Context} from '../../control/tool/tool.js';

export const keyPositional = {type: 'string', demandOption: true, describe: 'Name of a setting'} as const;

export function completeKeys(words: readonly string[], {native}: Context): string[] {
	return words.length === 0 ? native.options().map(({name, help}) => `${name}\t${help}`) : [];
}

/** A key, then a value. */
export function completeKeyAndValue(words: readonly string[], context: Context): string[] {
	const option = words.length === 1 ? context.native.options().find(({name}) => name === words[0]) : undefined;
	return option && option.values !== '' ? option.values.split('|').map(value => `${value}\t`) : completeKeys(words, context);
}
