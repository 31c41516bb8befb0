/** What rscheck(1) finds out, as functions. */
import {availableParallelism, homedir} from 'node:os';
import path from 'node:path';
import process from 'node:process';
import {loadNative} from '../../native.js';
import {checkEnvironment} from '../check/check-environment.js';
import {checkFallback, type Mix} from '../check/check-fallback.js';
import {checkLive, type LiveJudgement} from '../check/check-live.js';
import {checkMatrix} from '../check/check-matrix.js';
import {checkProgram} from '../check/check-program.js';
import {type Results} from '../check/format-matrix.js';
import {type Judgement} from '../check/judge-program.js';
import {type EnvFinding} from '../check/machine.js';
import {loadManifests} from '../check/manifest.js';
import {modes} from '../check/modes.js';
import {type Cell, type Plan} from '../check/run-matrix.js';
import {checkSetting} from '../check-setting.js';
import {
	directoryOf, neverAborted, searchPathOf, type ConfigOptions,
} from './defaults.js';

type Abortable = {readonly signal?: AbortSignal | undefined};
type Settings = Readonly<Record<string, number | string>>;

export type EnvironmentOptions = ConfigOptions & Abortable & {
	/** Only looks, starts nothing. Without it a small program talks to itself under the toolkit: what became of its connection is the proof. */
	readonly quick?: boolean | undefined;
	/** Removes files that tools left which ended early. */
	readonly clean?: boolean | undefined;
};

export type LiveOptions = ConfigOptions & Abortable & {
	/** What the server answers each time, for example `PING\\r\\n`, with these escapes: a client under the toolkit really talks to it. */
	readonly send?: string | undefined;
	/** How often. Default: 32. */
	readonly count?: number | undefined;
	/** For the connection, and for each answer, in ms. Default: 5000. */
	readonly timeout?: number | undefined;
	/** Name of the client whose rules count at this end. */
	readonly program?: string | undefined;
};

export type FallbackOptions = Abortable & {
	/** Commands of the server and of the client; `{port}` in them is a free port. */
	readonly server: readonly string[];
	readonly client: readonly string[];
	/** Regular expressions: parts of the output that may differ. */
	readonly ignore?: readonly string[] | undefined;
	/** For the preloaded ends. */
	readonly settings?: Settings | undefined;
	/** That the client may take, in ms. Default: 60 000. */
	readonly timeout?: number | undefined;
};

export type MatrixOptions = Abortable & {
	/** Names of our manifests, files, or directories of files; none: all of ours. */
	readonly apps?: readonly string[] | undefined;
	readonly modes?: Plan['modes'] | undefined;
	/** Default: `auto` and `tcp`. */
	readonly transports?: ReadonlyArray<'auto' | 'shm' | 'tcp'> | undefined;
	readonly settings?: Settings | undefined;
	/** Runs at once. Default: as many as processors. */
	readonly jobs?: number | undefined;
	/** How often a run that is not the same is tried again. Default: 0. */
	readonly retries?: number | undefined;
	/** That a step may take, in ms. Default: 60 000. */
	readonly timeout?: number | undefined;
	/** Where npm packages are. Default: ~/.cache/rsocket. */
	readonly npmDirectory?: string | undefined;
	/** Hears of each run when it ends. */
	readonly onCell?: ((cell: Cell) => void) | undefined;
};

/**
@example
```
check.program('redis-server').verdict; // 'accelerates'
(await check.environment()).filter(({level}) => level === 'bad');
(await check.live('localhost:6379', {send: String.raw`PING\r\n`})).reason; // 'promoted'
```
*/
export const check = {
	/** Whether a program, a path or a name in PATH, would be accelerated; it is not started. */
	program(file: string): Judgement {
		return checkProgram(file, searchPathOf(), loadNative());
	},

	/** Whether this machine, this process's limits and the settings are ready. */
	async environment({quick = false, clean = false, signal = neverAborted(), ...options}: EnvironmentOptions = {}): Promise<EnvFinding[]> {
		return checkEnvironment({
			directory: directoryOf(options), env: process.env, pid: process.pid, native: loadNative(), signal, isQuick: quick, isClean: clean,
		});
	},

	/** Whether a connection to a server that is running (`HOST:PORT`, `[ADDRESS]:PORT` or a port of this host) would leave TCP. Throws a CliError where nobody answers. */
	async live(peer: string | number, {send, count = 32, timeout = 5000, program = '', signal = neverAborted(), ...options}: LiveOptions = {}): Promise<LiveJudgement> {
		return checkLive(String(peer), {
			send, count, timeoutMs: timeout, program, directory: directoryOf(options), env: process.env, native: loadNative(), signal,
		});
	},

	/** Runs a server and a client plain, both, and each alone under the toolkit; the first of the four mixes is what the others are compared with. */
	async fallback({server, client, ignore = [], settings = {}, timeout = 60_000, signal = neverAborted()}: FallbackOptions): Promise<Mix[]> {
		return checkFallback({
			server, client, ignore, settings: pairsOf(settings), stepTimeoutMs: timeout, searchPath: searchPathOf(), native: loadNative(), signal,
		});
	},

	/** Runs applications with and without the toolkit and compares what they do. Those that are not installed are skipped. */
	async matrix({apps = [], settings = {}, jobs = availableParallelism(), retries = 0, timeout = 60_000, signal = neverAborted(), onCell, ...options}: MatrixOptions = {}): Promise<Results> {
		const native = loadNative();
		const plan: Plan = {
			manifests: loadManifests([...apps]), modes: options.modes ?? modes, transports: options.transports ?? ['auto', 'tcp'],
			settings: pairsOf(settings).map(pair => checkSetting(pair, native)), jobs, retries, path: searchPathOf(),
		};
		const npmDirectory = path.resolve(options.npmDirectory ?? path.join(homedir(), '.cache', 'rsocket'));
		return checkMatrix(plan, {npmDirectory, stepTimeoutMs: timeout, native, signal}, cell => {
			onCell?.(cell);
		});
	},
};

function pairsOf(settings: Settings): string[] {
	return Object.entries(settings).map(([name, value]) => `${name}=${value}`);
}
