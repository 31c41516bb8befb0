/** rdma-core's preload_config: which sockets of which programs its own preload library takes; lines of `program domain type protocol`. */
import {findNearest} from '../find-nearest.js';
import {type Fault} from './fault.js';

export type PreloadEntry = {
	/** How a program's name begins, in any case; `*`: all. */
	readonly program: string;
	readonly domain: string;
	readonly type: string;
	readonly protocol: string;
};

/** What rdma-core understands, each also with the prefixes of the C constants; `*` is any. */
const words = {
	domain: {names: ['INET', 'INET6', 'IB'], prefixes: ['AF_', 'PF_']},
	type: {names: ['STREAM', 'DGRAM'], prefixes: ['SOCK_']},
	protocol: {names: ['TCP', 'UDP'], prefixes: ['IPPROTO_']},
} as const;

/** rdma-core reads lines of up to this many characters, and cuts longer ones. */
const lineLengthMax = 118;
const programLengthMax = 63;

/** By kind, without prefixes; `*` is any. */
export const preloadWords = {domain: words.domain.names, type: words.type.names, protocol: words.protocol.names} as const;

type Parsed = {
	/** With the numbers of their lines. */
	readonly entries: ReadonlyArray<PreloadEntry & {readonly line: number}>;
	readonly faults: readonly Fault[];
};

/** rdma-core drops in silence what it does not understand; here it is a fault with its line. */
export function parsePreloadConfig(text: string, file: string): Parsed {
	const entries: Array<PreloadEntry & {readonly line: number}> = [];
	const faults: Fault[] = [];
	for (const [index, line] of text.split('\n').entries()) {
		if (line.startsWith('#') || line.trim() === '') {
			continue;
		}

		const parsed = parsePreloadLine(line);
		if ('message' in parsed) {
			faults.push({file, line: index + 1, ...parsed});
		} else {
			entries.push({...parsed, line: index + 1});
		}
	}

	return {entries, faults};
}

/** Undefined: there is no such file. Lines with faults are left out. */
export function readPreloadEntries(text: string | undefined): readonly PreloadEntry[] | undefined {
	return text === undefined ? undefined : parsePreloadConfig(text, '').entries.map(({line: _line, ...entry}) => entry);
}

export function formatPreloadConfig(entries: readonly PreloadEntry[]): string {
	return entries.map(({program, domain, type, protocol}) => `${program} ${domain} ${type} ${protocol}\n`).join('');
}

type Complaint = {readonly message: string; readonly remedy: string};

/** One line that is no comment. */
export function parsePreloadLine(line: string): PreloadEntry | Complaint {
	const parts = line.trim().split(/\s+/);
	const [program = '', domain = '', type = '', protocol = ''] = parts;
	if (line.length > lineLengthMax) {
		return {message: `the line has more than ${lineLengthMax} characters`, remedy: 'rdma-core would cut it: shorten it.'};
	}

	if (!/^[\u0020-\u007E\t\r]*$/.test(line)) {
		return {message: 'the line is not plain text', remedy: 'Remove control characters and letters beyond ASCII.'};
	}

	if (parts.length !== 4 || program.startsWith('#')) {
		return {message: `four words were expected, not ${parts.length}`, remedy: 'Write: program domain type protocol, for example * INET STREAM *. A comment begins in the first column.'};
	}

	if (program.length > programLengthMax || program.includes('/')) {
		return {message: `"${program.slice(0, 80)}" is no program's name`, remedy: 'Write the name without its directory, at most 63 characters; it matches every program whose name begins so.'};
	}

	return checkWord('domain', domain) ?? checkWord('type', type) ?? checkWord('protocol', protocol) ?? {
		program, domain: shorten('domain', domain), type: shorten('type', type), protocol: shorten('protocol', protocol),
	};
}

function checkWord(kind: keyof typeof words, word: string): Complaint | undefined {
	const {names}: {readonly names: readonly string[]} = words[kind];
	if (word === '*' || names.includes(shorten(kind, word))) {
		return undefined;
	}

	const nearest = findNearest(word.toUpperCase(), names);
	return {message: `"${word}" is no ${kind}`, remedy: `${nearest === undefined ? 'It' : `Did you mean ${nearest}? It`} is one of *, ${names.join(', ')}.`};
}

/** `AF_INET` is `INET`. */
function shorten(kind: keyof typeof words, word: string): string {
	const upper = word.toUpperCase();
	const prefix = words[kind].prefixes.find(candidate => upper.startsWith(candidate));
	return prefix === undefined ? upper : upper.slice(prefix.length);
}
