/** What stands in a directory of settings. */
import {
	closeSync, constants, fstatSync, openSync, readdirSync, readSync, statSync,
} from 'node:fs';
import {Buffer} from 'node:buffer';
import path from 'node:path';
import {type Native} from '../../native.js';
import {CliError, errorCode} from '../cli-error.js';
import {findNearest} from '../find-nearest.js';
import {toRaw, type Raw} from '../raw.js';
import {parseRulesText} from '../rules/parse-rules.js';
import {type Fault} from './fault.js';
import {describeAllowed, parseValue} from './parse-value.js';
import {parsePreloadConfig} from './preload-config.js';
import {journalName} from './temporary-names.js';

export const defaultDirectory = '/etc/rdma/rsocket';

/** Files that are no settings. The last one is ours: the name of the profile that `apply` wrote. */
export const otherFiles = {rules: 'rules', preload: 'preload_config', profile: 'applied_profile'} as const;

/** As the core has it: longer values are malformed. */
const valueLengthMax = 63;
const fileSizeMax = 65_536;

export type Directory = {
	readonly path: string;
	readonly exists: boolean;
	/** Good values only, as the core reads them. */
	readonly values: ReadonlyMap<string, string>;
	/** Undefined: there is no such file. */
	readonly rules: string | undefined;
	readonly preload: string | undefined;
	readonly profile: string | undefined;
	readonly faults: readonly Fault[];
};

export function readDirectory(directory: string, native: Native): Directory {
	const faults: Fault[] = [];
	const values = new Map<string, string>();
	const names = listNames(directory);
	const options = native.options();
	for (const name of names ?? []) {
		const file = path.join(directory, name);
		const option = options.find(row => row.name === name);
		if (!option) {
			noteUnknown(file, options.map(row => row.name), faults);
			continue;
		}

		const text = readText(file, faults);
		if (text === undefined) {
			continue;
		}

		try {
			// The core takes no units: only what it would read itself is right in a file.
			const line = text.replace(/\n$/, '');
			if (line.length >= valueLengthMax || line.includes('\0') || typeof native.optionParse(toRaw(name), line as Raw) === 'string') {
				throw new CliError('not a value', {code: 'setting-value', remedy: ''});
			}

			values.set(name, parseValue(option, line, native));
		} catch {
			faults.push({
				file, line: 1, message: `${name} cannot be ${JSON.stringify(shorten(text))}`,
				remedy: `It is ${describeAllowed(option).replace(/;.*/, '')}, one value without a unit; rsconfig set ${name} writes it.`,
			});
		}
	}

	noteUnfinished(directory, faults);
	const read = (name: string) => names?.includes(name) ? readText(path.join(directory, name), faults) : undefined;
	const rules = read(otherFiles.rules);
	const preload = read(otherFiles.preload);
	if (rules !== undefined) {
		faults.push(...parseRulesText(rules, path.join(directory, otherFiles.rules), native, {isInstalled: true}).faults);
	}

	if (preload !== undefined) {
		faults.push(...parsePreloadConfig(preload, path.join(directory, otherFiles.preload)).faults);
	}

	return {
		path: directory, exists: names !== undefined, values, rules, preload, profile: read(otherFiles.profile)?.trim(), faults,
	};
}

/** Undefined: no such directory. */
function listNames(directory: string): string[] | undefined {
	try {
		return readdirSync(directory).filter(name => !name.startsWith('.')).toSorted();
	} catch (error) {
		if (errorCode(error) === 'ENOENT') {
			return undefined;
		}

		throw new CliError(`${directory} cannot be read: ${error instanceof Error ? error.message : String(error)}`, {
			code: 'config-dir', cause: error, remedy: 'Give a readable directory with --dir.',
		});
	}
}

/** Not of a change that is just being made. */
const changeMs = 5000;

function noteUnfinished(directory: string, faults: Fault[]): void {
	const file = path.join(directory, `.${journalName}`);
	const status = statSync(file, {throwIfNoEntry: false});
	if (status && Date.now() - status.mtimeMs > changeMs) {
		faults.push({file, message: 'a change of several files was not carried out to its end', remedy: 'The next change finishes it: repeat it, or set anything.'});
	}
}

function noteUnknown(file: string, known: readonly string[], faults: Fault[]): void {
	const name = path.basename(file);
	if (Object.values<string>(otherFiles).includes(name)) {
		return;
	}

	const nearest = findNearest(name, [...known, ...Object.values<string>(otherFiles)]);
	faults.push({
		file, message: `no setting is called "${name}"`,
		remedy: nearest === undefined ? 'Nothing reads this file: remove it.' : `Did you mean ${nearest}?`,
	});
}

/** Never waits for a FIFO, never reads more than settings can be. */
function readText(file: string, faults: Fault[]): string | undefined {
	let fd: number | undefined;
	try {
		fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
		if (!fstatSync(fd).isFile()) {
			faults.push({file, message: 'not a regular file', remedy: 'Remove it.'});
			return undefined;
		}

		const bytes = Buffer.alloc(fileSizeMax + 1);
		const length = readSync(fd, bytes);
		if (length > fileSizeMax) {
			faults.push({file, message: `more than ${fileSizeMax} bytes`, remedy: 'Nothing here is that long.'});
			return undefined;
		}

		return bytes.subarray(0, length).toString('latin1');
	} catch (error) {
		faults.push({file, message: `cannot be read (${errorCode(error) ?? String(error)})`, remedy: 'Make it readable: chmod 0644.'});
		return undefined;
	} finally {
		if (fd !== undefined) {
			closeSync(fd);
		}
	}
}

function shorten(text: string): string {
	const line = text.replace(/\n$/, '');
	return line.length > 40 ? `${line.slice(0, 40)}...` : line;
}
