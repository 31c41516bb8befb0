/** Which rule decides about a connection, which about the settings of a program, and why no earlier one did. */
import {type Native} from '../../native.js';
import {toRaw} from '../raw.js';
import {type Rule} from './parse-rules.js';

export type Role = 'server' | 'client';

export type Subject = {
	readonly program: string;
	readonly role: Role;
	/** Without brackets. */
	readonly address: string;
	/** That the server listens on. */
	readonly port: number;
};

/** A use rule that was looked at; no mismatch: it decides. */
export type Considered = {readonly rule: Rule; readonly mismatch: 'program' | 'role' | 'port' | 'peer' | undefined};

/** The use rules up to the one that decides. Whether one matches is the core's word. */
export function considerUseRules(rules: readonly Rule[], subject: Subject, native: Native): Considered[] {
	const considered: Considered[] = [];
	for (const rule of rules) {
		if (rule.parsed.kind !== 'use') {
			continue;
		}

		const decides = matches(rule, subject, native);
		considered.push({rule, mismatch: decides ? undefined : findMismatch(rule, subject, native)});
		if (decides) {
			break;
		}
	}

	return considered;
}

/** The use rule that decides. */
export function findUseRule(rules: readonly Rule[], subject: Subject, native: Native): Rule | undefined {
	return rules.find(rule => rule.parsed.kind === 'use' && matches(rule, subject, native));
}

function matches({raw}: Rule, {program, role, address, port}: Subject, native: Native): boolean {
	return native.ruleMatches(raw, toRaw(program), role === 'server', address, port);
}

function findMismatch({parsed}: Rule, {program, role, port}: Subject, native: Native): Considered['mismatch'] {
	if (!native.ruleProgramMatches(toRaw(parsed.program), toRaw(program))) {
		return 'program';
	}

	if (parsed.kind === 'use' && parsed.role !== '*' && parsed.role !== role) {
		return 'role';
	}

	return parsed.kind === 'use' && (port < parsed.portMin || port > parsed.portMax) ? 'port' : 'peer';
}

/** The first set or profile rule for the program. */
export function findSettingsRule(rules: readonly Rule[], program: string, native: Native): Rule | undefined {
	return rules.find(({parsed}) => parsed.kind !== 'use' && native.ruleProgramMatches(toRaw(parsed.program), toRaw(program)));
}
