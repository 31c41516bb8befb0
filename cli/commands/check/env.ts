/** `rscheck env` */
import {rmSync} from 'node:fs';
import {availableParallelism, release, tmpdir} from 'node:os';
import process from 'node:process';
import {preloadLibrary} from '../../native.js';
import {examineKernel} from '../../control/check/examine-kernel.js';
import {examineLimits} from '../../control/check/examine-limits.js';
import {examineRdma} from '../../control/check/examine-rdma.js';
import {examineSettings} from '../../control/check/examine-settings.js';
import {examineToolkit} from '../../control/check/examine-toolkit.js';
import {findLeftovers} from '../../control/check/find-leftovers.js';
import {finding, type EnvFinding, type Level} from '../../control/check/machine.js';
import {probe} from '../../control/check/probe.js';
import {CliError} from '../../control/cli-error.js';
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
		const rdma = examineRdma('/', context.native);
		const findings = [
			...examineToolkit('/', preloadLibrary, context.env['LD_PRELOAD'] ?? ''),
			...examineKernel('/', {release: release(), cpus: availableParallelism()}),
			...examineLimits('/', process.ppid, rdma.some(({code}) => code === 'device')),
			...rdma,
			...examineSettings(directory, context.env['RSOCKET_SET'] ?? '', context.native),
			...examineLeftovers(directory, args.clean === true),
			...(args.quick === true ? [] : [await tryOut(directory, context)]),
		];
		const isReady = !findings.some(({level}) => level === 'bad' || (args.strict === true && level === 'warning'));
		if (context.isJson) {
			context.printJson({version: 1, isReady, findings});
		} else {
			print(findings, isReady, context);
		}

		return isReady ? 0 : 1;
	},
});

function examineLeftovers(configDirectory: string, isClean: boolean): EnvFinding[] {
	const uid = process.getuid?.();
	const files = findLeftovers({temporaryDirectory: tmpdir(), configDirectory, uid: uid === 0 ? undefined : uid, now: Date.now()});
	return files.map(file => {
		if (!isClean) {
			return finding(['leftovers', 'warning', 'leftover'], `${file} was left by a tool that ended early.`, 'rscheck env --clean removes it.');
		}

		try {
			rmSync(file, {recursive: true});
			return finding(['leftovers', 'note', 'removed'], `${file} is removed.`);
		} catch (error) {
			return finding(['leftovers', 'warning', 'leftover'], `${file} cannot be removed: ${error instanceof Error ? error.message : String(error)}`, 'Remove it as its owner.');
		}
	});
}

async function tryOut(directory: string, {native, signal, env}: Context): Promise<EnvFinding> {
	try {
		const {RSOCKET_SET: set, RSOCKET_RULES: rules} = env;
		const {connections, isDone, log} = await probe(undefined, {
			native, signal, env: {RSOCKET_CONFIG_DIR: directory, ...(set !== undefined && {RSOCKET_SET: set}), ...(rules !== undefined && {RSOCKET_RULES: rules})},
		});
		const [connection] = connections;
		if (!isDone || !connection) {
			return finding(['toolkit', 'bad', 'conversation'], 'A program under the toolkit does not work here.', explainLog(log));
		}

		const reason = native.reasons().find(({code}) => code === connection.reason);
		return connections.every(({isPromoted}) => isPromoted)
			? finding(['toolkit', 'good', 'conversation'], 'a connection was promoted to shared memory')
			: finding(['toolkit', 'bad', 'conversation'], `A connection on this host was not promoted (${connection.reason}): ${reason?.text ?? ''}`, reason?.remedy ?? '');
	} catch (error) {
		if (error instanceof CliError) {
			return finding(['toolkit', 'bad', 'conversation'], error.message, error.remedy);
		}

		throw error;
	}
}

/** Node's own words for what went wrong, without the trace. */
function explainLog(log: string): string {
	return /emfile|too many open files/i.test(log) ? 'Too few files may be open (ulimit -n): raise the limit.' : /^\w*Error: .*$/m.exec(log)?.[0] ?? log.trim();
}

function print(findings: readonly EnvFinding[], isReady: boolean, {paint, print: write}: Context): void {
	write([
		...findings.flatMap(({area, level, text, remedy}) => [`${paint(styles[level], level.padEnd(7))}  ${area.padEnd(9)}  ${text}`, ...(remedy === '' ? [] : [`${' '.repeat(20)}${remedy}`])]),
		isReady ? 'Ready.' : 'Not ready.',
	].join('\n'));
}
