/** A file of rules: text, one rule a line, or JSON. The core's own parser judges each line, so that both agree. */
import {type Native, type ParsedRule} from '../../native.js';
import {checkRules} from '../config/check-document.js';
import {type Fault} from '../config/fault.js';
import {lineOfPath} from '../config/line-of-path.js';
import {parseJson} from '../config/parse-json.js';
import {findOption, parseValue} from '../config/parse-value.js';
import {CliError} from '../cli-error.js';
import {findNearest} from '../find-nearest.js';
import {listProfiles} from '../profiles/profiles.js';
import {fromRaw, toRaw, type Raw} from '../raw.js';
import {findRemedy} from './find-remedy.js';
import {formatRule, type RuleJson} from './format-rule.js';
import {removeUnits} from './remove-units.js';

/** As the core has it. */
const rulesMax = 256;

export type Rule = {
	/** From 1 on, in the file. */
	readonly line: number;
	/** As the core reads it, without comment and units. */
	readonly text: string;
	/** The bytes of that. */
	readonly raw: Raw;
	readonly parsed: Exclude<ParsedRule, {fault: string} | {kind: 'none'}>;
};

export type Rules = {readonly rules: readonly Rule[]; readonly faults: readonly Fault[]};

/** `isInstalled`: the core reads this file itself, and knows no profiles. */
type How = {readonly isInstalled?: boolean};

/** `text` has one character a byte. */
export function parseRules(text: string, file: string, native: Native, how: How = {}): Rules {
	return /^\s*[[{]/.test(text) ? parseRulesJson(fromRaw(text as Raw), file, native) : parseRulesText(text, file, native, how);
}

export function parseRulesText(text: string, file: string, native: Native, {isInstalled = false}: How = {}): Rules {
	const rules: Rule[] = [];
	const faults: Fault[] = [];
	for (const [index, line] of text.split('\n').entries()) {
		takeLine({raw: (isInstalled ? line : removeUnits(line, native)) as Raw, line: index + 1, file}, native, {rules, faults});
	}

	return finish(rules, faults, file, isInstalled);
}

function parseRulesJson(text: string, file: string, native: Native): Rules {
	const parsed = parseJson(text, file);
	if ('fault' in parsed) {
		return {rules: [], faults: [parsed.fault]};
	}

	const checked = checkRules(parsed.value, {text, file}, native, (value, isSound) => Array.isArray(value)
		? faultsOfList(value, {text, file, path: '', isSound}, native)
		: faultsOfList((value as {rules?: unknown} | null)?.rules, {text, file, path: '/rules', isSound}, native));
	if ('faults' in checked) {
		return {rules: [], faults: checked.faults};
	}

	return 'rules' in checked.value
		? parseRuleList(checked.value.rules, {text, file, path: '/rules'}, native)
		: parseRuleList(checked.value, {text, file, path: ''}, native);
}

/** Rules of a document that fits the schema; `path` is where in it they stand. */
export function parseRuleList(list: readonly RuleJson[], {text, file, path, line: known}: {readonly text: string; readonly file: string; readonly path: string; readonly line?: number}, native: Native): Rules {
	const rules: Rule[] = [];
	const faults: Fault[] = [];
	for (const [index, rule] of list.entries()) {
		const line = known ?? lineOfPath(text, `${path}/${index}`);
		try {
			takeLine({raw: toRaw(formatRule(withPlainValues(rule, native))), line, file}, native, {rules, faults});
		} catch (error) {
			if (!(error instanceof CliError)) {
				throw error;
			}

			faults.push({file, line, message: error.message, remedy: error.remedy});
		}
	}

	return finish(rules, faults, file, false);
}

/** Of a list in a document that does not fit the schema: those of the rules that do. */
export function faultsOfList(list: unknown, {isSound, ...place}: {readonly text: string; readonly file: string; readonly path: string; readonly isSound: (path: string) => boolean}, native: Native): readonly Fault[] {
	return Array.isArray(list)
		? list.flatMap((rule: unknown, index) => isSound(`${place.path}/${index}`) ? parseRuleList([rule as RuleJson], {...place, line: lineOfPath(place.text, `${place.path}/${index}`)}, native).faults : [])
		: [];
}

/** Throws a CliError. */
function withPlainValues({set, ...rest}: RuleJson, native: Native): RuleJson {
	return set ? {...rest, set: Object.fromEntries(Object.entries(set).map(([key, value]) => [key, parseValue(findOption(key, native), String(value), native)]))} : rest;
}

type Line = {readonly raw: Raw; readonly line: number; readonly file: string};

function takeLine({raw, line, file}: Line, native: Native, {rules, faults}: {rules: Rule[]; faults: Fault[]}): void {
	const place = {file, line};
	const parsed = native.ruleParse(raw);
	if (parsed.kind === undefined) {
		faults.push({...place, message: parsed.fault, remedy: findRemedy(fromRaw(raw), parsed.word, native)});
		return;
	}

	if (parsed.kind === 'none') {
		return;
	}

	const profile = profileOf(parsed);
	if (profile !== undefined) {
		const names = listProfiles();
		if (!names.includes(profile)) {
			const nearest = findNearest(profile, names);
			faults.push({...place, message: `no profile is called "${profile}"`, remedy: nearest === undefined ? `There are: ${names.join(', ')}.` : `Did you mean ${nearest}?`});
			return;
		}
	}

	const plain = raw.replace(/(^|\s)#.*/, '').trim() as Raw;
	rules.push({line, text: fromRaw(plain), raw: plain, parsed});
}

function profileOf(parsed: Rule['parsed']): string | undefined {
	return parsed.kind === 'use' ? parsed.profile : (parsed.kind === 'profile' ? parsed.rest : undefined);
}

function finish(rules: Rule[], faults: Fault[], file: string, isInstalled: boolean): Rules {
	const uses = rules.filter(({parsed}) => parsed.kind === 'use');
	if (uses.length > rulesMax) {
		faults.push({file, line: uses[rulesMax]?.line ?? 0, message: `more than ${rulesMax} rules`, remedy: 'Use prefixes and port ranges to write fewer.'});
	}

	const profile = isInstalled ? rules.find(({parsed}) => profileOf(parsed) !== undefined) : undefined;
	if (profile) {
		faults.push({file, line: profile.line, message: 'a profile is not known to the library itself', remedy: 'Install the rules with rsconfig rules install, which puts the profile\'s settings here.'});
	}

	return {rules, faults};
}
