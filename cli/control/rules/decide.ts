/** Which rule decides about a connection, and about the settings of a program. */
import {type Native} from '../../native.js';
import {toRaw, type Raw} from '../raw.js';
import {type Rule} from './parse-rules.js';

export type Subject = {
	readonly program: string;
	readonly role: 'server' | 'client';
	/** Without brackets. */
	readonly address: string;
	/** That the server listens on. */
	readonly port: number;
};

/** The first use rule that matches. */
export function findUseRule(rules: readonly Rule[], {program, role, address, port}: Subject, native: Native): Rule | undefined {
	return rules.find(({text, parsed}) => parsed.kind === 'use' && native.ruleMatches(text as Raw, toRaw(program), role === 'server', address, port));
}

/** The first set or profile rule for the program. */
export function findSettingsRule(rules: readonly Rule[], program: string, native: Native): Rule | undefined {
	return rules.find(({parsed}) => parsed.kind !== 'use' && native.ruleProgramMatches(parsed.program as Raw, toRaw(program)));
}
