/** What rsrun makes of a profile and of a file of rules. */
import {type Native} from '../native.js';
import {CliError} from './cli-error.js';
import {refuse} from './config/choose-directory.js';
import {readText} from './read-text.js';
import {profilePairs, readProfile} from './profiles/profiles.js';
import {compileRules} from './rules/compile-rules.js';
import {parseRules} from './rules/parse-rules.js';

/** `key=value` for every setting that profiles are about. */
export function profileSettings(name: string, native: Native): string[] {
	return profilePairs(readProfile(name, native), native);
}

/** The text of RSOCKET_RULES, one character a byte. Throws a CliError with every fault. */
export function rulesVariable(file: string, native: Native): string {
	const {rules, faults} = parseRules(readText(file, 'latin1'), file, native);
	refuse(faults, 'Nothing was started. rsconfig(1) says how rules are written.');
	const divided = rules.find(({text}) => text.includes(';'));
	if (divided) {
		throw new CliError(`${file}:${divided.line}: a semicolon ends a rule here`, {code: 'rules', remedy: 'Write a * in its place, or install the rules: rsconfig rules install.'});
	}

	// An empty variable would be none: the installed rules would be read.
	return compileRules(rules, native, '\n') || '#';
}
