/** The machine as rscheck env looks at it, and what it finds there. */
import {readFileSync} from 'node:fs';
import path from 'node:path';

/** `good` and `note` need nothing; `warning`: some programs are not accelerated, or less; `bad`: none is. */
export type Level = 'good' | 'note' | 'warning' | 'bad';

export type EnvFinding = {
	readonly area: 'toolkit' | 'kernel' | 'limits' | 'rdma' | 'settings' | 'leftovers';
	/** Kebab-case, stable. */
	readonly code: string;
	readonly level: Level;
	readonly text: string;
	/** Empty: nothing to do. */
	readonly remedy: string;
};

/** Where the kernel's files are: `/`, or a test's directory. */
export type Root = string;

/** Undefined: it is not there, or not ours to read. */
export function readSystemFile(root: Root, file: string): string | undefined {
	try {
		return readFileSync(path.join(root, file), 'utf8');
	} catch {
		return undefined;
	}
}

/** Undefined as well when it holds no number. */
export function readSystemNumber(root: Root, file: string): number | undefined {
	const text = readSystemFile(root, file)?.trim();
	return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
}

export function finding([area, level, code]: readonly [EnvFinding['area'], Level, string], text: string, remedy = ''): EnvFinding {
	return {area, code, level, text, remedy};
}
