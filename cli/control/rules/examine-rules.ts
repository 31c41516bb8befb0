/** What stands in a file of rules, and what is wrong with it. */
import {type Native} from '../../native.js';
import {type Fault} from '../config/fault.js';
import {findUnreachable} from './find-unreachable.js';
import {ruleToJson, type RuleJson} from './format-rule.js';
import {readRules} from './read-rules.js';

export type ExaminedRules = {
	readonly file: string;
	readonly isValid: boolean;
	/** `text`: as the core reads it. Lines count from 1. */
	readonly rules: ReadonlyArray<{readonly line: number; readonly text: string; readonly rule: RuleJson}>;
	/** Lines that never decide anything, because another one always comes first. */
	readonly unreachable: ReadonlyArray<{readonly line: number; readonly because: number}>;
	readonly faults: readonly Fault[];
};

/** `file` undefined: those that are installed in `directory`. */
export function examineRules(file: string | undefined, directory: string, native: Native): ExaminedRules {
	const {rules, faults, file: name} = readRules(file, directory, native);
	return {
		file: name,
		isValid: faults.length === 0,
		rules: rules.map(rule => ({line: rule.line, text: rule.text, rule: ruleToJson(rule)})),
		unreachable: findUnreachable(rules).map(({rule, because}) => ({line: rule.line, because: because.line})),
		faults,
	};
}
