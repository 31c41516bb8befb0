/** JSON whose errors have line numbers. */
import {type Fault} from './fault.js';

export function parseJson(text: string, file: string): {readonly value: unknown} | {readonly fault: Fault} {
	try {
		return {value: JSON.parse(text) as unknown};
	} catch (error) {
		const message = error instanceof Error ? error.message : String(error);
		return {
			fault: {
				file, line: lineAt(text, findPosition(text, message)),
				message: `no JSON: ${message.replace(/ at position \d+.*|, ".*/s, '').replace('\n', String.raw`\n`)}`, remedy: 'Strings and names stand in double quotes; commas stand between, not after.',
			},
		};
	}
}

/** Node tells it of every fault but two: of an end that comes too soon, and of a stray token, which is where the text up to it becomes wrong. */
function findPosition(text: string, message: string): number {
	const told = /position (\d+)/.exec(message)?.[1];
	if (told !== undefined) {
		return Number(told);
	}

	let [right, wrong] = [0, text.length];
	while (isStray(message) && wrong - right > 1) {
		const middle = Math.floor((right + wrong) / 2);
		if (isStray(complaint(text.slice(0, middle)))) {
			wrong = middle;
		} else {
			right = middle;
		}
	}

	return isStray(message) ? right : wrong;
}

function isStray(message: string): boolean {
	return message.startsWith('Unexpected token');
}

function complaint(text: string): string {
	try {
		JSON.parse(text);
		return '';
	} catch (error) {
		return error instanceof Error ? error.message : String(error);
	}
}

export function lineAt(text: string, position: number): number {
	return text.slice(0, position).split('\n').length;
}
