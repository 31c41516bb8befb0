/** JSON whose errors have line numbers. */
import {type Fault} from './fault.js';

export function parseJson(text: string, file: string): {readonly value: unknown} | {readonly fault: Fault} {
	try {
		return {value: JSON.parse(text) as unknown};
	} catch (error) {
		const message = error instanceof Error ? error.message : String(error);
		const position = /position (\d+)/.exec(message)?.[1];
		return {
			fault: {
				file, line: lineAt(text, position === undefined ? text.length : Number(position)),
				message: `no JSON: ${message.replace(/ at position \d+.*/, '')}`, remedy: 'Strings and names stand in double quotes; commas stand between, not after.',
			},
		};
	}
}

/** Where the value at an instance path (`/settings/polling_time`) stands, as far as names tell. */
export function lineOfPath(text: string, instancePath: string, name?: string): number {
	let position = 0;
	for (const segment of [...instancePath.split('/').slice(1), ...(name === undefined ? [] : [name])]) {
		const found = text.indexOf(JSON.stringify(segment), position);
		position = found === -1 ? position : found;
	}

	return lineAt(text, position);
}

function lineAt(text: string, position: number): number {
	return text.slice(0, position).split('\n').length;
}
