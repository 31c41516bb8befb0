/** Finds out, before the start, why a program will not load the library. */
import {statSync} from 'node:fs';
import process from 'node:process';
import {CliError, errorCode, exitCodes} from './cli-error.js';
import {inspectProgram, type Program} from './inspect-program.js';
import {type Shebang} from './parse-shebang.js';
import {machineNames, type Elf} from './read-elf.js';
import {fromRaw, rawBuffer, toRaw, type Raw} from './raw.js';

export type Obstacle = {
	/** Kebab-case: setid, capabilities, architecture, 32-bit, musl, libc, static, go. */
	readonly code: string;
	/** The program that was asked for, and what it is: together a sentence. */
	readonly path: string;
	readonly description: string;
};

/** What this module needs to know of the system; tests give their own. */
export type System = {
	readonly uid: number;
	readonly gid: number;
	/** Of this process: what the library is built for. */
	readonly machine: string;
	/** The file that execvp would run, or undefined. */
	lookUp(name: Raw): Raw | undefined;
	hasCapabilities(path: Raw): boolean;
};

type Subject = {readonly path: Raw; readonly status: Program['status']; readonly system: System};
type ElfSubject = Subject & {readonly elf: Elf};
type Check<Of> = {readonly code: string; readonly describe: (subject: Of) => string | undefined};

/** What the kernel grants with the file: told without reading it. The first row of both tables that answers wins. */
const privileges: ReadonlyArray<Check<Subject>> = [
	{
		code: 'setid',
		describe({status, system}) {
			const isSetUid = (status.mode & 0o4000) !== 0 && status.uid !== system.uid;
			const isSetGid = (status.mode & 0o2010) === 0o2010 && status.gid !== system.gid;
			return isSetUid || isSetGid ? `is ${isSetUid ? 'setuid' : 'setgid'}: the system preloads nothing into it` : undefined;
		},
	},
	{
		code: 'capabilities',
		describe: ({path, system}) => system.uid !== 0 && system.hasCapabilities(path) ? 'has file capabilities: the system preloads nothing into it' : undefined,
	},
];

/** `ld-linux-x86-64.so.2`, `ld64.so.1`, `ld.so.1`. */
const glibcLinker = /(?:^|\/)ld(?:-linux[^/]*|64)?\.so\.\d+$/;

const formats: ReadonlyArray<Check<ElfSubject>> = [
	{
		code: '32-bit',
		describe: ({elf}) => elf.bits === 32 ? 'is a 32-bit program: the library is 64-bit' : undefined,
	},
	{
		code: 'architecture',
		describe({elf, system}) {
			const name = machineNames.get(elf.machine) ?? `machine ${elf.machine}`;
			return name === system.machine ? undefined : `is for ${name}: the library is for ${system.machine}`;
		},
	},
	{
		code: 'go',
		describe: ({elf}) => elf.isGo ? 'is a Go program: it makes its system calls itself' : undefined,
	},
	{
		code: 'musl',
		describe: ({elf}) => elf.interpreter?.includes('ld-musl') ? 'uses musl: the library needs the GNU C library' : undefined,
	},
	{
		code: 'libc',
		describe: ({elf: {interpreter}}) => interpreter !== undefined && !glibcLinker.test(interpreter) ? `uses another C library (${interpreter}): the library needs the GNU C library` : undefined,
	},
	{
		code: 'static',
		// The dynamic linker itself has no interpreter either, and preloads into what it is told to run.
		describe: ({elf, path}) => elf.interpreter === undefined && !/\/ld(-linux[^/]*)?\.so[^/]*$/.test(path) ? 'is statically linked: nothing can be preloaded into it' : undefined,
	},
];

/** The kernel follows four scripts. */
const scriptDepthMax = 4;

/** Of what may not be read only its privileges are known. Why the library will not work in the program at `path`, or in the interpreter that the script at `path` names. */
export function findObstacle(path: Raw, system: System, depth = 0): Obstacle | undefined {
	const found = inspectProgram(path);
	if (found === undefined) {
		return undefined;
	}

	const {status, elf, isReadable} = found;
	if (elf ?? !isReadable) {
		const subject = {path, status, system};
		return answer(privileges, subject) ?? (elf && answer(formats, {...subject, elf}));
	}

	const interpreter = found.shebang === undefined ? toRaw('/bin/sh') : findInterpreter(path, found.shebang, system);
	const obstacle = depth < scriptDepthMax && interpreter !== undefined ? findObstacle(interpreter, system, depth + 1) : undefined;
	return obstacle && {...obstacle, path: fromRaw(path), description: `is a script for ${obstacle.path}, which ${obstacle.description}`};
}

function answer<Of extends Subject>(checks: ReadonlyArray<Check<Of>>, subject: Of): Obstacle | undefined {
	for (const {code, describe} of checks) {
		const description = describe(subject);
		if (description !== undefined) {
			return {code, path: fromRaw(subject.path), description};
		}
	}

	return undefined;
}

/** Throws when the kernel would say that there is no such file, without saying which. */
function findInterpreter(script: Raw, {path, viaEnv}: Shebang, system: System): Raw | undefined {
	const exists = fileExists(path);
	if (exists && viaEnv === undefined) {
		return path;
	}

	const found = exists && viaEnv !== undefined ? system.lookUp(viaEnv) : undefined;
	if (found === undefined) {
		throw new CliError(`cannot start ${fromRaw(script)}: its interpreter ${fromRaw(exists ? viaEnv ?? path : path)} does not exist`, {
			code: 'interpreter-missing',
			remedy: 'Install the interpreter, or correct the first line of the script.',
			exitCode: exitCodes.notFound,
		});
	}

	return found;
}

function fileExists(path: Raw): boolean {
	try {
		statSync(rawBuffer(path));
		return true;
	} catch (error) {
		return errorCode(error) !== 'ENOENT';
	}
}

/** This process's name in `machineNames`. */
export function ownMachine(): string {
	return {x64: 'x86_64', arm64: 'aarch64'}[process.arch as string] ?? process.arch;
}
