/** Makes broken documents out of sound ones, the same ones each time. */

type Json = null | boolean | number | string | Json[] | {[key: string]: Json};

/** Xorshift: a stream of numbers below `limit`. */
export function makeRandom(seed: number): (limit: number) => number {
	let state = seed | 1;
	return limit => {
		state ^= state << 13;
		state ^= state >>> 17;
		state ^= state << 5;
		return (state >>> 0) % limit;
	};
}

const strangers: readonly Json[] = [null, true, -1, 1.5, 70_000, '', '(', [], [''], {}, {x: 1}, [[1]]];

/** A change somewhere in the document: something strange in the place of a value, a value less, a name more; or of its text. */
export function malform(document: object, random: (limit: number) => number): string {
	const text = JSON.stringify(document, undefined, '\t');
	const at = random(text.length);
	switch (random(6)) {
		case 0: {
			return text.slice(0, at);
		}

		case 1: {
			return `${text.slice(0, at)}${['}', '"', '\0', ',,', '\uFFFD', '{'][random(6)]}${text.slice(at)}`;
		}

		default: {
			const copy = JSON.parse(text) as Json;
			change(copy, random);
			return JSON.stringify(copy);
		}
	}
}

function change(node: Json, random: (limit: number) => number): void {
	if (node === null || typeof node !== 'object') {
		return;
	}

	const keys = Object.keys(node);
	const key = keys[random(keys.length)] ?? '0';
	const record = node as Record<string, Json>;
	const child = record[key] ?? null;
	if (typeof child === 'object' && child !== null && Object.keys(child).length > 0 && random(3) > 0) {
		change(child, random);
	} else if (Array.isArray(node)) {
		node[Number(key)] = strangers[random(strangers.length)] ?? null;
	} else {
		change1(record, key, random);
	}
}

function change1(record: Record<string, Json>, key: string, random: (limit: number) => number): void {
	switch (random(3)) {
		case 0: {
			Reflect.deleteProperty(record, key);
			break;
		}

		case 1: {
			record[`${key}x`] = record[key] ?? null;
			break;
		}

		default: {
			record[key] = strangers[random(strangers.length)] ?? null;
		}
	}
}
