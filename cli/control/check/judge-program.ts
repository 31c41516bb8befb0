/** Whether a program will be accelerated, run plain, or misbehave under the toolkit; found out without starting it. */
import {existsSync, readFileSync} from 'node:fs';
import {resolve} from 'node:path';
import {type Call, type Native} from '../../native.js';
import {findObstacle, type System} from '../find-obstacle.js';
import {inspectProgram, type Program} from '../inspect-program.js';
import {fromRaw, toRaw, type Raw} from '../raw.js';
import {findLoadedFiles, isLibc, type LoadedFile} from './find-libraries.js';

export type Verdict = 'accelerates' | 'plain' | 'unknown' | 'misbehaves' | 'cannot-start';

/** From the best to the worst. */
const severity: readonly Verdict[] = ['accelerates', 'plain', 'unknown', 'misbehaves', 'cannot-start'];

type Finding = {
	/** Kebab-case, stable. */
	readonly code: string;
	/** What this finding alone would make the verdict; undefined: it changes nothing. */
	readonly verdict: Verdict | undefined;
	readonly text: string;
	readonly remedy: string;
};

export type Judgement = {
	readonly program: string;
	/** From a script to what really runs. */
	readonly interpreters: readonly string[];
	readonly verdict: Verdict;
	readonly linkage: 'dynamic' | 'static' | 'unknown';
	readonly libraries: readonly string[];
	/** Calls to the C library that take, make or wait for descriptors. */
	readonly calls: {
		readonly mapped: readonly string[];
		readonly kernel: readonly string[];
		readonly unseen: readonly string[];
		readonly unknown: readonly string[];
		/** Of mapped, unseen and unknown ones, how many are mapped. */
		readonly percentage: number;
	};
	readonly findings: readonly Finding[];
};

/** Functions of the C library that reach sockets by their names; those in no table of ours are new to us. */
const socketName = /^(?:__)?(?:send|recv|accept|connect|listen|shutdown|epoll_|p?poll$|ppoll|p?select|splice|sendfile|aio_|lio_|sock|readv|writev|preadv|pwritev|dup\d|close_)/;

/** One of these makes or takes connections. */
const beginnings = new Set(['socket', 'connect', '__connect', 'accept', 'accept4']);

/** A library that brings one of these besides the C library stands in for it, as ours does. */
const interposed = ['connect', 'recv', 'send', 'recvmsg', 'sendmsg', 'epoll_wait', 'poll'];

const remedies = {
	none: 'Nothing to do.',
	install: 'Run it on plain TCP; nothing else of it changes.',
};

export function judgeProgram(path: Raw, system: System, native: Native): Judgement {
	const obstacle = findObstacle(path, system);
	const interpreters = followScripts(path, system);
	const last = toRaw(interpreters.at(-1) ?? fromRaw(path));
	const program = inspectProgram(last);
	const {files, missing} = findLoadedFiles(fromRaw(last));
	const calls = sortCalls(files, native.calls());
	const findings = [
		...findStartFaults(fromRaw(last), program, missing),
		...(obstacle
			? [{
				code: obstacle.code, verdict: 'plain' as const, text: `${obstacle.path} ${obstacle.description}.`, remedy: obstacleRemedy(obstacle.code),
			}]
			: []),
		...findFindings(files, calls),
	];
	// Nothing of ours gets into a program that the library is not preloaded into.
	const counted = obstacle ? findings.filter(({verdict}) => verdict === 'plain' || verdict === 'cannot-start') : findings;
	return {
		program: fromRaw(path), interpreters, verdict: worst(counted),
		linkage: program?.elf === undefined ? 'unknown' : (program.elf.interpreter === undefined ? 'static' : 'dynamic'),
		libraries: files.slice(1).map(({file}) => file),
		calls, findings,
	};
}

function worst(findings: readonly Finding[]): Verdict {
	return severity[Math.max(0, ...findings.map(({verdict}) => verdict === undefined ? 0 : severity.indexOf(verdict)))] ?? 'accelerates';
}

/** The kernel follows five scripts. */
const scriptsMax = 5;

/** Ends where a script comes again, or where the kernel would give up. */
function followScripts(path: Raw, system: System): string[] {
	const chain: string[] = [];
	const seen = new Set<string>();
	for (let file: Raw | undefined = path; file !== undefined && chain.length <= scriptsMax && !seen.has(resolve(fromRaw(file)));) {
		seen.add(resolve(fromRaw(file)));
		const found = inspectProgram(file);
		const next: Raw | undefined = found?.isReadable && !found.elf && !found.isBroken ? (found.shebang?.viaEnv === undefined ? found.shebang?.path ?? toRaw('/bin/sh') : system.lookUp(found.shebang.viaEnv)) : undefined;
		if (next !== undefined) {
			chain.push(fromRaw(next));
		}

		file = next;
	}

	return chain;
}

/** Why what runs in the end would not start, toolkit or no toolkit; or that it cannot be told. */
function findStartFaults(file: string, program: Program | undefined, missing: readonly string[]): Finding[] {
	const fault = (code: string, text: string, remedy: string): Finding[] => [{code, verdict: 'cannot-start', text, remedy}];
	if (program && !program.isReadable) {
		return [{code: 'unreadable', verdict: 'unknown', text: `${file} may be executed but not read: what it is cannot be told.`, remedy: 'Ask as root, or as a user who may read it.'}];
	}

	if (program?.isBroken) {
		return fault('broken', `${file} is no whole program: it is cut short, or an object file.`, 'Build or install it again.');
	}

	if (program && !program.elf) {
		return fault('script-loop', `${file} is a script once more: scripts that name each other as interpreter end nowhere, and the kernel follows ${scriptsMax}.`, 'Name a program in the first line.');
	}

	const interpreter = program?.elf?.interpreter;
	if (interpreter !== undefined && !existsSync(interpreter)) {
		return fault('linker-missing', `${file} asks for the dynamic linker ${interpreter}, which does not exist.`, 'Install the C library that it was built for, or use a build for this system.');
	}

	// Linkers of other systems look elsewhere.
	return missing.length > 0 && interpreter?.startsWith('/lib')
		? fault('library-missing', `${missing.join(', ')} cannot be found.`, 'Install what brings it, or say in LD_LIBRARY_PATH where it is.')
		: [];
}

function sortCalls(files: readonly LoadedFile[], table: readonly Call[]): Judgement['calls'] {
	const kinds = new Map(table.map(({name, kind}) => [name, kind]));
	const brought = new Set(files.flatMap(({imports}) => [...imports.exported]));
	const asked = new Set(files.flatMap(({imports}) => [...imports.functions].filter(([name, version]) => version.startsWith('GLIBC_') || (version === '' && !brought.has(name))).map(([name]) => name)));
	const all = [...asked].toSorted((a, b) => a.localeCompare(b));
	const of = (kind: Call['kind']): string[] => all.filter(name => kinds.get(name) === kind);
	const mapped = of('mapped');
	const unseen = of('unseen');
	const unknown = all.filter(name => !kinds.has(name) && socketName.test(name));
	const reaching = mapped.length + unseen.length + unknown.length;
	return {mapped, kernel: of('kernel'), unseen, unknown, percentage: reaching === 0 ? 100 : Math.floor(mapped.length / reaching * 1000) / 10};
}

function findFindings(files: readonly LoadedFile[], calls: Judgement['calls']): Finding[] {
	const findings: Finding[] = [];
	const asks = (pattern: RegExp): boolean => files.some(({imports}) => [...imports.functions.keys()].some(name => pattern.test(name)));
	const add = (condition: boolean, finding: Finding): void => {
		if (condition) {
			findings.push(finding);
		}
	};

	const [program, ...libraries] = files;
	const own = interposed.filter(name => program?.imports.exported.has(name));
	add(own.length > 0, {
		code: 'own-calls', verdict: 'misbehaves', text: `It brings ${own.join(', ')} itself, in place of the C library's and of ours: what goes through ${own.length === 1 ? 'it' : 'them'} is not seen.`, remedy: 'Rename its own functions, or do not export them (-rdynamic); or run it without rsrun.',
	});
	const interposers = libraries.filter(({file, imports}) => !isLibc(file) && interposed.filter(name => imports.exported.has(name)).length >= 2);
	add(interposers.length > 0, {
		code: 'interposer', verdict: 'misbehaves', text: `${interposers.map(({file}) => file).join(', ')} stands in for the C library's calls too: the two would not see what the other does.`, remedy: 'Use a build without it (sanitizers, proxifiers, other accelerators), or run it without rsrun.',
	});
	add(calls.unknown.length > 0, {
		code: 'unknown-calls', verdict: 'misbehaves', text: `It uses calls that this version does not know: ${calls.unknown.join(', ')}.`, remedy: 'Update the toolkit; until then run it without rsrun, or with --transport tcp.',
	});
	add(calls.unseen.length > 0, {
		code: 'unseen-calls', verdict: undefined, text: `Connections that go through ${calls.unseen.join(', ')} stay on TCP.`, remedy: remedies.none,
	});
	add(asks(/^io_uring_/) || files.some(({file}) => file.includes('liburing.so')) || files.some(loaded => callsItself(loaded, 'syscall', ['io_uring', 'IO_URING'])), {
		code: 'io-uring', verdict: undefined, text: 'It uses io_uring, which reads and writes past any library: setting it up is refused, and most programs then do without.', remedy: 'If it does not start: rsrun --set io_uring=1; its connections then stay on TCP.',
	});
	add(asks(/^seccomp_/) || files.some(loaded => callsItself(loaded, 'prctl', ['SECCOMP', 'seccomp'])), {
		code: 'seccomp', verdict: undefined, text: 'It can put itself behind a system-call filter: from then on nothing more is promoted.', remedy: 'Switch its sandbox off if its connections are to be promoted.',
	});
	const isLoader = asks(/^(?:dlm?open|exec(?:v|ve|vp|vpe|l|lp|le|veat)|f?execve|posix_spawnp?|system|popen)$/);
	add(files.length > 0 && own.length === 0 && calls.mapped.every(name => !beginnings.has(name)), {
		code: 'no-sockets', verdict: isLoader ? 'unknown' : 'plain',
		text: `Neither it nor its libraries make connections${isLoader ? '; what it loads or starts while it runs may' : ''}.`, remedy: isLoader ? 'Ask about what it loads or starts.' : remedies.none,
	});
	return findings;
}

/** System calls made without a function of their own show by the names in messages and variables. */
function callsItself({file, imports}: LoadedFile, by: string, words: readonly string[]): boolean {
	if (!imports.functions.has(by)) {
		return false;
	}

	const content = readFileSync(file);
	return words.some(word => content.includes(word));
}

function obstacleRemedy(code: string): string {
	return {
		setid: 'Start it as the user that it becomes.',
		capabilities: 'Remove the capabilities (setcap -r), or start it as root.',
		go: 'None: Go programs do not use the C library for their sockets.',
		musl: 'Use a build for the GNU C library.',
		libc: 'Use a build for the GNU C library.',
		static: 'Use a dynamically linked build.',
	}[code] ?? remedies.install;
}
