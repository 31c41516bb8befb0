/** `rsconfig rules test` */
import {chooseDirectory} from '../../../control/config/choose-directory.js';
import {type Rule} from '../../../control/rules/parse-rules.js';
import {tryRules, type RuleVerdict} from '../../../control/rules/try-rules.js';
import {defineCommand, type Context} from '../../../control/tool/tool.js';
import {rulesFile} from './check.js';

const mismatches = {
	program: 'is about other programs', role: 'is about the other role', port: 'is about other ports', peer: 'is about other peers',
} as const;

export const rulesTestCommand = defineCommand({
	command: 'test [file]',
	describe: 'Says which rule decides about a connection, why, and which settings it gives it',
	positionals: {file: rulesFile},
	options: {
		program: {type: 'string', demandOption: true, requiresArg: true, describe: 'Name of the program whose rules these are'},
		peer: {type: 'string', demandOption: true, requiresArg: true, describe: 'The other end: its address, and the port that the server listens on'},
		role: {choices: ['server', 'client'] as const, requiresArg: true, describe: 'Which end the program is; nothing: both are tried'},
	},
	examples: [['$0 rules test --program redis-server --peer 10.0.0.5:6379', 'with the rules that are installed'], ['$0 rules test new.rules --role client --program curl --peer [::1]:80', 'with those of a file']],
	json: '{version, file, program, peer, connections: [{role, mayLeaveTcp, transport, line, text, profile, settings: {KEY: value}, considered: [{line, text, mismatch}]}], settings: {line, text} or null}; transport, line, text and profile are null where no rule decides, or gives one; the settings of a connection are those that the rule gives it; mismatch is program, role, port, peer or null',
	exitCodes: [[1, 'A rule keeps the connection on TCP.']],
	run(args, context) {
		const {file, program, verdicts, settings} = tryRules(args.file, {program: args.program, peer: args.peer, role: args.role}, chooseDirectory(args, context), context.native);
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

function toJson({role, transport, profile, settings, considered}: RuleVerdict): Record<string, unknown> {
	const decider = considered.find(({mismatch}) => mismatch === undefined)?.rule;
	return {
		role, mayLeaveTcp: transport !== 'tcp', transport: transport ?? null, line: decider?.line ?? null, text: decider?.text ?? null,
		profile: profile ?? null, settings,
		considered: considered.map(({rule, mismatch}) => ({...place(rule), mismatch: mismatch ?? null})),
	};
}

function describe({role, transport, profile, settings, considered}: RuleVerdict, {file, program, peer}: {readonly file: string; readonly program: string; readonly peer: string}, {paint}: Context): string[] {
	const may = transport === 'tcp' ? paint('yellow', 'stays on TCP') : paint('green', 'may leave TCP');
	const head = `${program} as ${role}, with ${peer}: ${may}${transport === undefined ? ': no rule is about it, the settings decide' : (transport === 'tcp' ? '' : ` (${transport})`)}`;
	const own = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
	const gives = own.length === 0 ? [] : [`  and gives the connection ${own.join(' ')}${profile === undefined ? '' : ` (profile ${profile})`}`];
	return [paint('bold', head), ...considered.map(({rule, mismatch}) => `  ${file}:${rule.line}: ${mismatch === undefined ? 'decides' : mismatches[mismatch]}: ${rule.text}`), ...gives];
}
