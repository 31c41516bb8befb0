/** Whether this machine is ready: all that rscheck env looks at. */
import {rmSync} from 'node:fs';
import {availableParallelism, release, tmpdir} from 'node:os';
import process from 'node:process';
import {preloadLibrary, type Native} from '../../native.js';
import {CliError} from '../cli-error.js';
import {examineKernel} from './examine-kernel.js';
import {examineLimits} from './examine-limits.js';
import {examineRdma} from './examine-rdma.js';
import {examineSettings} from './examine-settings.js';
import {examineToolkit} from './examine-toolkit.js';
import {findLeftovers} from './find-leftovers.js';
import {finding, type EnvFinding} from './machine.js';
import {probe} from './probe.js';

export type EnvironmentSubject = {
	/** Of settings. */
	readonly directory: string;
	readonly env: Readonly<Record<string, string | undefined>>;
	/** Whose limits count. */
	readonly pid: number;
	readonly native: Native;
	readonly signal: AbortSignal;
	/** Only looks, starts nothing: the conversation under the toolkit does not take place. */
	readonly isQuick: boolean;
	/** Removes leftover files. */
	readonly isClean: boolean;
};

export async function checkEnvironment(subject: EnvironmentSubject): Promise<EnvFinding[]> {
	const {directory, env, pid, native, isQuick, isClean} = subject;
	const rdma = examineRdma('/', native);
	return [
		...examineToolkit('/', preloadLibrary, env['LD_PRELOAD'] ?? ''),
		...examineKernel('/', {release: release(), cpus: availableParallelism()}),
		...examineLimits('/', pid, rdma.some(({code}) => code === 'device')),
		...rdma,
		...examineSettings(directory, env['RSOCKET_SET'] ?? '', native),
		...examineLeftovers(directory, isClean),
		...(isQuick ? [] : [await tryOut(subject)]),
	];
}

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

async function tryOut({directory, native, signal, env}: EnvironmentSubject): Promise<EnvFinding> {
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
