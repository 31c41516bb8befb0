/** `rscheck env` */
import process from 'node:process';
import {checkEnvironment} from '../../control/check/check-environment.js';
import {type EnvFinding, type Level} from '../../control/check/machine.js';
import {chooseDirectory} from '../../control/config/choose-directory.js';
import {defineCommand, type Context} from '../../control/tool/tool.js';

const styles = {good: 'green', note: 'dim', warning: 'yellow', bad: 'red'} as const satisfies Record<Level, string>;

export const envCommand = defineCommand({
	command: 'env',
	describe: 'Says whether this machine is ready: kernel, limits, RDMA devices, settings, leftover files',
	description: [
		'Looks at what programs started here would find. Last, a small program talks to itself under the toolkit, with the settings of this shell: what became of its connection is the proof.',
	],
	options: {
		dir: {type: 'string', requiresArg: true, describe: 'The directory of settings; else RSOCKET_CONFIG_DIR, else /etc/rdma/rsocket'},
		quick: {type: 'boolean', describe: 'Only looks, starts nothing'},
		clean: {type: 'boolean', describe: 'Removes leftover files'},
		strict: {type: 'boolean', describe: 'Fails on warnings too'},
	},
	examples: [['$0 env', 'what stands in the way here'], ['$0 env --clean', 'the same, and tidies up']],
	json: '{version, isReady, findings[]: {area, code, level, text, remedy}}; area is toolkit, kernel, limits, rdma, settings or leftovers; level is good, note, warning or bad',
	exitCodes: [[0, 'Ready.'], [1, 'Something is bad; with --strict: or a warning.']],
	async run(args, context) {
		const directory = chooseDirectory(args, context);
		const findings = await checkEnvironment({
			directory, native: context.native, signal: context.signal, env: context.env, pid: process.ppid, isQuick: args.quick === true, isClean: args.clean === true,
		});
		const isReady = !findings.some(({level}) => level === 'bad' || (args.strict === true && level === 'warning'));
		if (context.isJson) {
			context.printJson({version: 1, isReady, findings});
		} else {
			print(findings, isReady, context);
		}

		return isReady ? 0 : 1;
	},
});

function print(findings: readonly EnvFinding[], isReady: boolean, {paint, print: write}: Context): void {
	write([
		...findings.flatMap(({area, level, text, remedy}) => [`${paint(styles[level], level.padEnd(7))}  ${area.padEnd(9)}  ${text}`, ...(remedy === '' ? [] : [`${' '.repeat(20)}${remedy}`])]),
		isReady ? 'Ready.' : 'Not ready.',
	].join('\n'));
}
