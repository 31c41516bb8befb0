/** A file of rules: text, one rule a line, or JSON. The core's own parser judges each line, so that both agree. */
import {type Native, type ParsedRule} from '../../native.js';
import {type Fault} from '../config/fault.js';
import {parseJson} from '../config/parse-json.js';
import {checkConfiguration} from '../config/schema.js';
import {findNearest} from '../find-nearest.js';
import {listProfiles} from '../profiles/profiles.js';
import {toRaw, type Raw} from '../raw.js';
import {formatRule, type RuleJson} from './format-rule.js';

/** As the core has it. */
const rulesMax = 256;

export type Rule = {
	/** From 1 on; in JSON, of the rule in its list. */
	readonly line: number;
	/** As the core reads it, without comment. */
	readonly text: string;
	readonly parsed: Exclude<ParsedRule, {fault: string} | {kind: 'none'}>;
};

export type Rules = {readonly rules: readonly Rule[]; readonly faults: readonly Fault[]};

/** `isInstalled`: the core reads this file itself, and knows no profiles. */
type How = {readonly isInstalled?: boolean};

/** `text` has one character a byte. */
export function parseRules(text: string, file: string, native: Native, how: How = {}): Rules {
	return /^\s*[[{]/.test(text) ? parseRulesJson(text, file, native) : parseRulesText(text, file, native, how);
}

export function parseRulesText(text: string, file: string, native: Native, {isInstalled = false}: How = {}): Rules {
	const rules: Rule[] = [];
	const faults: Fault[] = [];
	for (const [index, line] of text.split('\n').entries()) {
		takeLine({text: line, line: index + 1, file}, native, {rules, faults});
	}

	return finish(rules, faults, file, isInstalled);
}

function parseRulesJson(text: string, file: string, native: Native): Rules {
	const parsed = parseJson(text, file);
	if ('fault' in parsed) {
		return {rules: [], faults: [parsed.fault]};
	}

	// A bare list of rules is meant too.
	const value = Array.isArray(parsed.value) ? {version: 1, rules: parsed.value as unknown[]} : parsed.value;
	const document = checkConfiguration(value, {text, file}, native);
	return 'faults' in document ? {rules: [], faults: document.faults} : parseRuleList(document.value.rules ?? [], file, native);
}

/** Rules of a document that fits the schema. */
export function parseRuleList(list: readonly RuleJson[], file: string, native: Native): Rules {
	const rules: Rule[] = [];
	const faults: Fault[] = [];
	for (const [index, rule] of list.entries()) {
		takeLine({text: toRaw(formatRule(rule)), line: index + 1, file: `${file}, rule ${index + 1}`, isJson: true}, native, {rules, faults});
	}

	return finish(rules, faults, file, false);
}

type Line = {readonly text: string; readonly line: number; readonly file: string; readonly isJson?: boolean};

function takeLine({text, line, file, isJson = false}: Line, native: Native, {rules, faults}: {rules: Rule[]; faults: Fault[]}): void {
	const place = isJson ? {file} : {file, line};
	const parsed = native.ruleParse(text as Raw);
	if (parsed.kind === undefined) {
		faults.push({...place, message: parsed.fault, remedy: remedyFor(text, parsed.word, native)});
		return;
	}

	if (parsed.kind === 'none') {
		return;
	}

	if (parsed.kind === 'profile') {
		const names = listProfiles();
		if (!names.includes(parsed.rest)) {
			const nearest = findNearest(parsed.rest, names);
			faults.push({...place, message: `no profile is called "${parsed.rest}"`, remedy: nearest === undefined ? `There are: ${names.join(', ')}.` : `Did you mean ${nearest}?`});
			return;
		}
	}

	rules.push({line, text: text.replace(/(^|\s)#.*/, '').trim(), parsed});
}

function finish(rules: Rule[], faults: Fault[], file: string, isInstalled: boolean): Rules {
	const uses = rules.filter(({parsed}) => parsed.kind === 'use');
	if (uses.length > rulesMax) {
		faults.push({file, line: uses[rulesMax]?.line ?? 0, message: `more than ${rulesMax} rules`, remedy: 'Use prefixes and port ranges to write fewer.'});
	}

	const profile = isInstalled ? rules.find(({parsed}) => parsed.kind === 'profile') : undefined;
	if (profile) {
		faults.push({file, line: profile.line, message: 'a profile is not known to the library itself', remedy: 'Install the rules with rsconfig rules install, which puts the profile\'s settings here.'});
	}

	return {rules, faults};
}

/** The word at fault and, for a mistyped one, the nearest right one. */
function remedyFor(text: string, number: number, native: Native): string {
	const word = text.trim().split(/\s+/)[number - 1];
	if (word === undefined) {
		return 'A word is missing.';
	}

	const [key = ''] = word.split('=');
	const options = native.options();
	const transports = options.find(({name}) => name === 'transport')?.values.split('|') ?? [];
	const nearest = findNearest(key, ['use', 'set', 'profile', 'both', 'server', 'client', ...transports, ...options.map(({name}) => name)]);
	const shown = JSON.stringify(word.length > 40 ? `${word.slice(0, 40)}...` : word);
	return `It says ${shown}${nearest === undefined || nearest === key ? '' : `; did you mean ${nearest}?`}.`.replace('?.', '?');
}

/** Text that the core takes as RSOCKET_RULES or as its file: checked, without comments, profiles resolved. */
export function compileRules(rules: readonly Rule[], settingsOf: (profile: string) => readonly string[], separator: string): string {
	return rules.map(({text, parsed}) => parsed.kind === 'profile' ? `set ${parsed.program} ${settingsOf(parsed.rest).join(' ')}` : text).join(separator);
}

