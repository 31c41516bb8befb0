/** Bytes as the kernel knows them: arguments, environment and paths need not be UTF-8. */
import {Buffer} from 'node:buffer';

declare const brand: unique symbol;

/** A string with one character a byte. */
export type Raw = string & {readonly [brand]: true};

export function toRaw(text: string): Raw {
	return Buffer.from(text, 'utf8').toString('latin1') as Raw;
}

/** For people to read; bytes that are not UTF-8 become replacement characters. */
export function fromRaw(raw: Raw): string {
	return rawBuffer(raw).toString('utf8');
}

/** For Node's file functions, which take a Buffer as a path. */
export function rawBuffer(raw: Raw): Buffer {
	return Buffer.from(raw, 'latin1');
}

/** Concatenation stays raw. */
export function joinRaw(...parts: readonly Raw[]): Raw {
	return parts.join('') as Raw;
}

export function splitRaw(raw: Raw, separator: string): Raw[] {
	return raw.split(separator) as Raw[];
}

/** The strings of a /proc file in which each one ends with NUL. */
export function splitNul(content: Buffer): Raw[] {
	const strings = splitRaw(content.toString('latin1') as Raw, '\0');
	strings.pop();
	return strings;
}
