/** `rsconfig rules test` */
import path from 'node:path';
import {chooseDirectory, refuse} from '../../../control/config/choose-directory.js';
import {considerUseRules, findSettingsRule, type Considered, type Role} from '../../../control/rules/decide.js';
import {parsePeer} from '../../../control/rules/parse-peer.js';
import {type Rule} from '../../../control/rules/parse-rules.js';
import {readRules} from '../../../control/rules/read-rules.js';
import {defineCommand, type Context} from '../../../control/tool/tool.js';
import {rulesFile} from './check.js';

/** Of one role: what the rules say of the connection. */
type Verdict = {
	readonly role: Role;
	/** A value of the transport setting; undefined: no rule decides. */
	readonly transport: string | undefined;
	readonly considered: readonly Considered[];
};

const mismatches = {
	program: 'is about other programs', role: 'is about the other role', port: 'is about other ports', peer: 'is about other peers',
} as const;

export const rulesTestCommand = defineCommand({
	command: 'test [file]',
	describe: 'Says which rule decides about a connection, and why',
	positionals: {file: rulesFile},
	options: {
		program: {type: 'string', demandOption: true, requiresArg: true, describe: 'Name of the program whose rules these are'},
		peer: {type: 'string', demandOption: true, requiresArg: true, describe: 'The other end: its address, and the port that the server listens on'},
		role: {choices: ['server', 'client'] as const, requiresArg: true, describe: 'Which end the program is; nothing: both are tried'},
	},
	examples: [['$0 rules test --program redis-server --peer 10.0.0.5:6379', 'with the rules that are installed'], ['$0 rules test new.rules --role client --program curl --peer [::1]:80', 'with those of a file']],
	json: '{version, file, program, peer, connections: [{role, mayLeaveTcp, transport, line, text, considered: [{line, text, mismatch}]}], settings: {line, text} or null}; transport, line and text are null where no rule decides; mismatch is program, role, port, peer or null',
	exitCodes: [[1, 'A rule keeps the connection on TCP.']],
	run(args, context) {
		const {file, rules, faults} = readRules(args.file, chooseDirectory(args, context), context.native);
		refuse(faults, 'With faulty rules every connection stays on TCP.');
		const program = path.basename(args.program);
		const peer = parsePeer(args.peer);
		const roles: readonly Role[] = args.role === undefined ? ['server', 'client'] : [args.role];
		const verdicts = roles.map((role): Verdict => {
			const considered = considerUseRules(rules, {program, role, ...peer}, context.native);
			const {parsed} = considered.find(({mismatch}) => mismatch === undefined)?.rule ?? {};
			return {role, transport: parsed?.kind === 'use' ? parsed.transport : undefined, considered};
		});
		const settings = findSettingsRule(rules, program, context.native);
		if (context.isJson) {
			context.printJson({version: 1, file, program, peer: args.peer, connections: verdicts.map(verdict => toJson(verdict)), settings: settings ? place(settings) : null});
		} else {
			context.print([
				...verdicts.flatMap(verdict => describe(verdict, {file, program, peer: args.peer}, context)),
				...(settings ? [`${file}:${settings.line}: gives ${program} its settings: ${settings.text}`] : []),
			].join('\n'));
		}

		return verdicts.some(({transport}) => transport === 'tcp') ? 1 : 0;
	},
});

function place({line, text}: Rule): {line: number; text: string} {
	return {line, text};
}

function toJson({role, transport, considered}: Verdict): Record<string, unknown> {
	const decider = considered.find(({mismatch}) => mismatch === undefined)?.rule;
	return {
		role, mayLeaveTcp: transport !== 'tcp', transport: transport ?? null, line: decider?.line ?? null, text: decider?.text ?? null,
		considered: considered.map(({rule, mismatch}) => ({...place(rule), mismatch: mismatch ?? null})),
	};
}

function describe({role, transport, considered}: Verdict, {file, program, peer}: {readonly file: string; readonly program: string; readonly peer: string}, {paint}: Context): string[] {
	const may = transport === 'tcp' ? paint('yellow', 'stays on TCP') : paint('green', 'may leave TCP');
	const head = `${program} as ${role}, with ${peer}: ${may}${transport === undefined ? ': no rule is about it, the settings decide' : (transport === 'tcp' ? '' : ` (${transport})`)}`;
	return [paint('bold', head), ...considered.map(({rule, mismatch}) => `  ${file}:${rule.line}: ${mismatch === undefined ? 'decides' : mismatches[mismatch]}: ${rule.text}`)];
}
