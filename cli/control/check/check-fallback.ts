/** Runs a server and a client in every mix of plain and preloaded ends, and compares what the client does, and how the server ends. */
import {type Native} from '../../native.js';
import {checkSetting} from '../check-setting.js';
import {CliError} from '../cli-error.js';
import {type Connection} from '../describe-connection.js';
import {withLibrary} from './borrow-library.js';
import {findListeningPort} from './find-owner.js';
import {findMissing, searchPath} from './find-missing.js';
import {type Mode} from './modes.js';
import {firstDifference, withoutIgnored} from './perform.js';
import {Stage, type Ended} from './stage.js';

/** The client's run with one combination of ends under the toolkit, against the one with none. */
export type Mix = {
	readonly mode: Mode;
	readonly status: number | string;
	/** How the server ended when it was told to. */
	readonly serverStatus: number | string;
	readonly isSame: boolean;
	readonly differences: readonly string[];
	/** That were seen, and how many of them were promoted; why the others were not. */
	readonly ends: number;
	readonly promoted: number;
	readonly reasons: readonly string[];
};

const allMixes: readonly Mode[] = ['plain', 'both', 'server', 'client'];
export type FallbackSubject = {
	/** Commands; `{port}` is a free port. */
	readonly server: readonly string[];
	readonly client: readonly string[];
	/** Regular expressions: parts of the output that may differ. */
	readonly ignore: readonly string[];
	/** `key=value`, for the preloaded ends. */
	readonly settings: readonly string[];
	/** That the client may take. */
	readonly stepTimeoutMs: number;
	/** PATH. */
	readonly searchPath: string;
	readonly native: Native;
	readonly signal: AbortSignal;
};

/** The first mix is the plain one. Throws a CliError for what is not there, and for a server that does not start. */
export async function checkFallback({server, client, ignore: patterns, settings: pairs, stepTimeoutMs, searchPath: words, native, signal}: FallbackSubject): Promise<Mix[]> {
	const path = searchPath({}, words);
	const missing = findMissing({
		name: 'fallback', about: '', packages: {}, start: [{run: server, ready: {}}], exercise: [{name: 'client', run: client}], verify: {}, promotes: 1,
	}, path, '');
	if (missing !== undefined) {
		throw new CliError(missing, {code: 'not-found', remedy: 'Check the spelling, install the program, or give its path.', exitCode: 127});
	}

	const ignore = patterns.map(text => checkPattern(text));
	const settings = pairs.map(pair => checkSetting(pair, native)).join(',');
	return withLibrary(async library => runMixes({
		server, client, ignore, open: async mode => Stage.open({
			mode, settings, library, native, ports: {port: 0}, words: {}, searchPath: path, stopSignal: 'SIGTERM',
			readyTimeoutMs: 30_000, stepTimeoutMs, signal,
		}),
	}));
}

function checkPattern(text: string): string {
	try {
		return new RegExp(text, 'gmu').source;
	} catch (error) {
		throw new CliError(`"${text}" is no regular expression`, {code: 'pattern', cause: error, remedy: 'See the syntax of JavaScript; quote it for the shell.'});
	}
}

type Run = {
	readonly server: readonly string[];
	readonly client: readonly string[];
	readonly ignore: readonly string[];
	readonly open: (mode: Mode) => Promise<Stage>;
};

async function runMixes({server, client, ignore, open}: Run): Promise<Mix[]> {
	const mixes: Mix[] = [];
	let oracle: Result | undefined;
	for (const mode of allMixes) {
		// eslint-disable-next-line no-await-in-loop
		const stage = await open(mode);
		try {
			// eslint-disable-next-line no-await-in-loop
			await serve(stage, server);
			// eslint-disable-next-line no-await-in-loop
			const ended = await stage.run('client', {run: client});
			stopIfAborted(stage);
			// eslint-disable-next-line no-await-in-loop
			await stage.stop();
			// eslint-disable-next-line no-await-in-loop
			const [serverStatus = 'unknown'] = await stage.endings();
			const result = {...ended, serverStatus, stdout: withoutIgnored(ended.stdout, ignore), stderr: withoutIgnored(ended.stderr, ignore)};
			oracle ??= result;
			mixes.push(describeMix(mode, result, oracle, stage.connections()));
		} finally {
			// eslint-disable-next-line no-await-in-loop
			await stage.close();
		}
	}

	return mixes;
}

async function serve(stage: Stage, run: readonly string[]): Promise<void> {
	try {
		await stage.serveAnywhere({run}, findListeningPort);
	} catch (error) {
		stopIfAborted(stage);
		throw new CliError(error instanceof Error ? error.message : String(error), {code: 'server', cause: error, remedy: 'The server must stay in the foreground and listen on TCP.'});
	}
}

function stopIfAborted({options: {signal}}: Stage): void {
	if (signal.aborted) {
		throw new CliError('interrupted', {code: 'interrupted', remedy: 'Nothing was compared to the end.'});
	}
}

type Result = Ended & {readonly serverStatus: number | string};

function describeMix(mode: Mode, result: Result, oracle: Result, connections: readonly Connection[]): Mix {
	const {status, serverStatus} = result;
	const differences = [
		...(status === 'hangs' ? ['the client does not end'] : []),
		...(status === oracle.status ? [] : [`exit code ${status} instead of ${oracle.status}`]),
		...(serverStatus === oracle.serverStatus ? [] : [`the server ends with ${serverStatus} instead of ${oracle.serverStatus}`]),
		...(['stdout', 'stderr'] as const).filter(name => result[name] !== oracle[name]).map(name => describeOutput(name, oracle[name], result[name])),
	];
	return {
		mode, status, serverStatus, isSame: differences.length === 0, differences, ends: connections.length,
		promoted: connections.filter(({isPromoted}) => isPromoted).length, reasons: [...new Set(connections.map(({reason}) => reason))],
	};
}

function describeOutput(name: 'stdout' | 'stderr', expected: string, got: string): string {
	const lines = firstDifference(expected, got);
	return `${name === 'stdout' ? 'output' : 'standard error'} ${lines.got} instead of ${lines.expected.replace(/^line \d+: /, '')}`;
}
