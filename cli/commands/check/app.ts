/** `rscheck app` */
import process from 'node:process';
import {checkProgram} from '../../control/check/check-program.js';
import {type Judgement, type Verdict} from '../../control/check/judge-program.js';
import {exitCodes} from '../../control/cli-error.js';
import {type Paint} from '../../control/tool/paint.js';
import {defineCommand} from '../../control/tool/tool.js';

const styles = {accelerates: 'green', plain: 'yellow', unknown: 'yellow', misbehaves: 'red', 'cannot-start': 'red'} as const;
const exitCodeOf: Readonly<Record<Verdict, number>> = {accelerates: 0, plain: 1, misbehaves: 2, unknown: 3, 'cannot-start': exitCodes.notExecutable};
const sentences = {
	accelerates: 'its connections can be promoted', plain: 'it runs on plain TCP, as without the toolkit', misbehaves: 'it would misbehave under the toolkit',
	unknown: 'whether it would be accelerated cannot be told', 'cannot-start': 'it does not start, with or without the toolkit',
} as const;

export const appCommand = defineCommand({
	command: 'app <program>',
	describe: 'Says, without starting it, whether a program would be accelerated',
	description: [
		'Reads the file, and through scripts their interpreters: how it is linked, for which C library, which calls it and its libraries import that reach sockets, and which of them are mapped. What a program loads while it runs cannot be seen.',
	],
	positionals: {program: {type: 'string', demandOption: true, describe: 'A path, or a name that is looked up in PATH'}},
	options: {verbose: {type: 'boolean', describe: 'Names every call and library'}},
	examples: [['$0 app redis-server', 'whether redis-server would be accelerated'], ['$0 app --json ./server', 'the same for programs']],
	json: '{version, program, interpreters[], verdict, linkage, libraries[], calls: {mapped[], kernel[], unseen[], unknown[], percentage}, findings[]: {code, verdict, text, remedy}}',
	exitCodes: [[0, 'It would be accelerated.'], [1, 'It would run plain.'], [2, 'It would misbehave.'], [3, 'It cannot be told.'], [126, 'It does not start at all.']],
	run({program, verbose}, context) {
		const judgement = checkProgram(program, context.env['PATH'] ?? process.env['PATH'] ?? '/usr/bin:/bin', context.native);
		if (context.isJson) {
			context.printJson({version: 1, ...judgement});
		} else {
			context.print(format(judgement, context.paint, verbose === true));
		}

		return exitCodeOf[judgement.verdict];
	},
});

function format(judgement: Judgement, paint: Paint, isVerbose: boolean): string {
	const {program, verdict, interpreters, linkage, calls, findings, libraries} = judgement;
	const list = (name: string, names: readonly string[]): string[] => names.length === 0 ? [] : [`  ${name}: ${names.join(' ')}`];
	return [
		`${program}: ${paint(styles[verdict], verdict)}: ${sentences[verdict]}`,
		...interpreters.map(interpreter => `  runs ${interpreter}`),
		`  ${linkage === 'unknown' ? 'not readable' : `${linkage}ally linked`}, ${libraries.length} libraries`,
		...(linkage === 'dynamic' ? [`  ${calls.percentage} % of its ${calls.mapped.length + calls.unseen.length + calls.unknown.length} calls that can reach a socket are mapped`] : []),
		...list('not mapped', [...calls.unseen, ...calls.unknown]),
		...findings.flatMap(({text, remedy}) => [`  ${text}`, `    ${remedy}`]),
		...(isVerbose ? [...list('mapped', calls.mapped), ...list('right as they are', calls.kernel), ...list('libraries', libraries)] : []),
	].join('\n');
}
