/** What rules say of a connection that there might be. */
import path from 'node:path';
import {type Native} from '../../native.js';
import {refuse} from '../config/choose-directory.js';
import {ownSettings} from './compile-rules.js';
import {considerUseRules, findSettingsRule, type Considered, type Role} from './decide.js';
import {pairsToJson} from './format-rule.js';
import {parsePeer} from './parse-peer.js';
import {type Rule} from './parse-rules.js';
import {readRules} from './read-rules.js';

/** Of one role: what the rules say of the connection. */
export type RuleVerdict = {
	readonly role: Role;
	/** A value of the transport setting; undefined: no rule decides. */
	readonly transport: string | undefined;
	/** What the rule that decides gives the connection, in place of the process's. */
	readonly settings: Readonly<Record<string, number | string>>;
	/** The one that these come from, but for those that stand in the rule. */
	readonly profile: string | undefined;
	/** Up to the one that decides, which has no mismatch. */
	readonly considered: readonly Considered[];
};

export type RuleSubject = {
	readonly program: string;
	/** `10.0.0.5:6379`: the other end, and the port that the server listens on. */
	readonly peer: string;
	/** Undefined: both are tried. */
	readonly role?: Role | undefined;
};

/** `file` undefined: the rules that are installed in `directory`. Throws a CliError where rules are faulty. */
export function tryRules(file: string | undefined, subject: RuleSubject, directory: string, native: Native): {readonly file: string; readonly program: string; readonly verdicts: readonly RuleVerdict[]; readonly settings: Rule | undefined} {
	const {file: name, rules, faults} = readRules(file, directory, native);
	refuse(faults, 'With faulty rules every connection stays on TCP.');
	const program = path.basename(subject.program);
	const peer = parsePeer(subject.peer);
	const roles: readonly Role[] = subject.role === undefined ? ['server', 'client'] : [subject.role];
	const verdicts = roles.map((role): RuleVerdict => {
		const considered = considerUseRules(rules, {program, role, ...peer}, native);
		const rule = considered.find(({mismatch}) => mismatch === undefined)?.rule;
		const parsed = rule?.parsed.kind === 'use' ? rule.parsed : undefined;
		return {role, transport: parsed?.transport, settings: pairsToJson(parsed ? ownSettings(parsed, native) : []), profile: parsed?.profile, considered};
	});
	return {file: name, program, verdicts, settings: findSettingsRule(rules, program, native)};
}
