/** What this process was started with, byte for byte. */
import {readFileSync} from 'node:fs';
import process from 'node:process';
import {type Inherited} from '../native.js';
import {Environment} from './environment.js';
import {splitNul, toRaw, type Raw} from './raw.js';

/** Set by rsrun.sh: `SigIgn SigBlk ulimit-Sn fd,fd,...`, the first two as in /proc/PID/status. */
const inheritedVariable = 'RSRUN_INHERITED';

export type OwnProcess = {
	/** What follows the script's name. */
	readonly args: readonly Raw[];
	/** Without what rsrun.sh added. */
	readonly environment: Environment;
	readonly inherited: Inherited;
};

export function readOwnProcess(): OwnProcess {
	const environment = new Environment(readProc('environ') ?? Object.entries(process.env).map(([name, value]) => toRaw(`${name}=${value ?? ''}`)));
	const inherited = parseInherited(environment.get(inheritedVariable));
	environment.delete(inheritedVariable);
	const args = process.argv.slice(2);
	const commandLine = readProc('cmdline') ?? [];
	// The end of the line, because Node's own options may stand before the script.
	const rawArgs = args.length === 0 ? [] : commandLine.slice(-args.length);
	return {args: rawArgs.length === args.length ? rawArgs : args.map(text => toRaw(text)), environment, inherited};
}

function readProc(name: string): Raw[] | undefined {
	try {
		return splitNul(readFileSync(`/proc/self/${name}`));
	} catch {
		return undefined;
	}
}

/** Without `text`, because Node was started directly, the usual state of things. */
export function parseInherited(text: string | undefined): Inherited {
	const [ignored = '0', blocked = '0', openFiles = '', descriptors = '0,1,2'] = text?.split(' ') ?? [];
	return {
		ignoredSignals: parseSignalMask(ignored),
		blockedSignals: parseSignalMask(blocked),
		openFilesSoft: /^\d+$/.test(openFiles) ? Number(openFiles) : undefined,
		descriptors: descriptors.split(',').filter(Boolean).map(Number),
	};
}

function parseSignalMask(hex: string): number[] {
	if (!/^[\da-f]+$/i.test(hex)) {
		return [];
	}

	const mask = BigInt(`0x${hex}`);
	return Array.from({length: 64}, (_, index) => index + 1).filter(signal => ((mask >> BigInt(signal - 1)) & 1n) === 1n);
}
