/** Which directory a command is about, and what is in it. */
import path from 'node:path';
import {type Native} from '../../native.js';
import {CliError} from '../cli-error.js';
import {readProfile} from '../profiles/profiles.js';
import {type Context} from '../tool/tool.js';
import {effectiveSettings, type Setting} from './effective.js';
import {formatFault, type Fault} from './fault.js';
import {defaultDirectory, readDirectory, type Directory} from './read-directory.js';

/** `--dir`, else RSOCKET_CONFIG_DIR as the library has it, else the usual one. */
export function chooseDirectory(args: Readonly<Record<string, unknown>>, {env}: Context): string {
	const {dir} = args;
	const named = typeof dir === 'string' && dir !== '' ? dir : env['RSOCKET_CONFIG_DIR'];
	return path.resolve(named === undefined || named === '' ? defaultDirectory : named);
}

export function readChosen(args: Readonly<Record<string, unknown>>, context: Context): Directory {
	return readDirectory(chooseDirectory(args, context), context.native);
}

export function settingsOf(directory: Directory, context: Pick<Context, 'env' | 'native'>): Setting[] {
	return effectiveSettings(directory, appliedProfile(directory, context.native), context.env['RSOCKET_SET'], context.native);
}

/** A profile that has gone since has no say. */
function appliedProfile({profile}: Directory, native: Native): ReadonlyMap<string, string> {
	try {
		return profile === undefined ? new Map() : readProfile(profile, native).settings;
	} catch {
		return new Map();
	}
}

/** For commands that need a document without faults. */
export function refuse(faults: readonly Fault[], remedy: string): void {
	if (faults.length > 0) {
		throw new CliError(faults.map(fault => formatFault(fault)).join('\n'), {code: 'invalid', remedy, details: {faults}});
	}
}
