/** Rules from a file, or those that are installed. */
import path from 'node:path';
import {type Native} from '../../native.js';
import {readText} from '../read-text.js';
import {otherFiles, readDirectory} from '../config/read-directory.js';
import {parseRules, parseRulesText, type Rules} from './parse-rules.js';

/** `file` undefined: what the core reads in `directory`; no such file is no rules. */
export function readRules(file: string | undefined, directory: string, native: Native): Rules & {readonly file: string} {
	if (file !== undefined) {
		return {file, ...parseRules(readText(file, 'latin1'), file, native)};
	}

	const installed = path.join(directory, otherFiles.rules);
	const {rules, faults} = readDirectory(directory, native);
	const parsed = parseRulesText(rules ?? '', installed, native, {isInstalled: true});
	// Also that the file could not be read at all.
	return {file: installed, rules: parsed.rules, faults: faults.filter(fault => fault.file === installed)};
}
