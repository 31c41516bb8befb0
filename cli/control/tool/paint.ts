/** Colours where a person looks, plain text where not. */
import {styleText} from 'node:util';

export type Style = Parameters<typeof styleText>[0];
export type Paint = (style: Style, text: string) => string;

export function choosePaint(isTerminal: boolean, env: Readonly<Record<string, string | undefined>>): Paint {
	// https://no-color.org: any value but the empty one.
	const isPlain = !isTerminal || Boolean(env['NO_COLOR']) || env['TERM'] === 'dumb';
	// Node would look at its own standard output again.
	return isPlain ? (_style, text) => text : (style, text) => styleText(style, text, {validateStream: false});
}
