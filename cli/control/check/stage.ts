/** One run of an application: a directory, ports, a report, and the programs that run there, by execa. */
import {closeSync, openSync, readFileSync} from 'node:fs';
import {
	chmod, chown, mkdir, mkdtemp, rm, writeFile,
} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import process from 'node:process';
import {setTimeout as sleep} from 'node:timers/promises';
import {execa, type Options as ExecaOptions, type ResultPromise} from 'execa';
import {type Native} from '../../native.js';
import {describeConnection, type Connection} from '../describe-connection.js';
import {toRaw} from '../raw.js';
import {findAccount} from './find-account.js';
import {findFamily} from './find-family.js';
import {type Command, type Server} from './manifest.js';
import {isPreloaded, type End, type Mode} from './modes.js';
import {freePort, isListening} from './ports.js';

export type StageOptions = {
	readonly mode: Mode;
	/** RSOCKET_SET of the preloaded ends. */
	readonly settings: string;
	readonly library: string;
	readonly native: Native;
	/** Names, and numbers that must be; 0: a free one. */
	readonly ports: Readonly<Record<string, number>>;
	/** Besides {dir}, the ports and {node}. */
	readonly words: Readonly<Record<string, string>>;
	readonly searchPath: string;
	readonly stopSignal: NodeJS.Signals;
	readonly readyTimeoutMs: number;
	readonly stepTimeoutMs: number;
	readonly signal: AbortSignal;
};

export type Ended = {
	/** Exit code, the name of a signal, or why it could not be started. */
	readonly status: number | string;
	readonly stdout: string;
	readonly stderr: string;
};

/** `isLiteral`: braces in its words are its own. */
type Started = Command & {readonly isLiteral?: boolean};

type Child = {
	readonly command: readonly string[];
	/** Files of its standard output and error. */
	readonly logs: readonly [string, string];
	readonly pid: number;
	readonly ended: Promise<number | string>;
	hasEnded: boolean;
};

const reportCapacity = 16_384;

export class Stage {
	static async open(options: StageOptions): Promise<Stage> {
		const directory = await mkdtemp(path.join(tmpdir(), `rscheck-${process.pid}-`));
		// Programs of other users must reach what is in it.
		await chmod(directory, 0o755);
		await mkdir(path.join(directory, 'no-config'));
		const ports = await Promise.all(Object.entries(options.ports).map(async ([name, number]) => [name, number === 0 ? await freePort() : number] as const));
		const stage = new Stage(options, directory, new Map(ports));
		options.native.statsCreate(toRaw(stage.#report), reportCapacity);
		await chmod(stage.#report, 0o666);
		return stage;
	}

	readonly #children: Child[] = [];

	private constructor(readonly options: StageOptions, readonly directory: string, readonly ports: ReadonlyMap<string, number>) {
		// The parameters are all of it.
	}

	get #report(): string {
		return path.join(this.directory, 'report');
	}

	/** `text` with what stands in braces replaced, if it is a word that we know. */
	expand(text: string): string {
		const words: Readonly<Record<string, string>> = {...this.options.words, dir: this.directory, node: process.execPath};
		return text.replaceAll(/{([a-z][a-z\d_]*)}/g, (whole, word: string) => this.ports.get(word)?.toString() ?? words[word] ?? whole);
	}

	async makeDirectory(name: string, owner: string): Promise<void> {
		const directory = path.join(this.directory, name);
		await mkdir(directory, {recursive: true, mode: owner === '' ? 0o755 : 0o700});
		const account = findAccount(owner);
		if (account) {
			await chown(directory, account.uid, account.gid);
		}
	}

	async writeText(name: string, text: string): Promise<void> {
		const file = path.join(this.directory, name);
		await mkdir(path.dirname(file), {recursive: true});
		await writeFile(file, this.expand(text));
	}

	/** Starts a server and returns when it is ready. */
	async serve(server: Server): Promise<void> {
		const child = this.#start('server', server);
		const {port, output} = server.ready;
		const pattern = output === undefined ? undefined : new RegExp(output, 'mu');
		const isReady = (): boolean => (port === undefined || isListening(this.ports.get(port) ?? 0)) && (pattern === undefined || pattern.test(outputs(child).join('')));
		await this.#until(isReady, child);
	}

	/** Starts a server of which nothing is known: ready when somebody of its family listens. Returns the port. */
	async serveAnywhere(server: Pick<Server, 'run'>, listening: (family: readonly number[]) => number | undefined): Promise<number> {
		const child = this.#start('server', server);
		let port: number | undefined;
		await this.#until(() => {
			port = listening(findFamily(child.pid));
			return port !== undefined;
		}, child);
		return port ?? 0;
	}

	/** Runs a program to its end: one end, or (undefined) a tool that is neither. */
	async run(end: End | undefined, command: Started): Promise<Ended> {
		const child = this.#start(end, command);
		const timer = new AbortController();
		const status = await Promise.race([child.ended, sleep(this.options.stepTimeoutMs, undefined, {signal: AbortSignal.any([timer.signal, this.options.signal])}).catch(() => undefined)]);
		timer.abort();
		const [stdout, stderr] = outputs(child);
		return {status: status ?? 'hangs', stdout, stderr};
	}

	/** The ends that preloaded programs saw. */
	connections(): Connection[] {
		const reasons = this.options.native.reasons();
		return this.options.native.statsRead(toRaw(this.#report), reportCapacity).connections.map(record => describeConnection(record, reasons));
	}

	/** What the programs wrote last, for the reader of a failure. */
	log(): string {
		return this.#children.map(child => [`$ ${child.command.join(' ')}`, ...outputs(child).map(text => text.slice(-2000).trim())].filter(Boolean).join('\n')).join('\n');
	}

	/** Ends all programs, so that their part of the report is complete. Returns those that the polite signal did not end. */
	async stop(): Promise<string[]> {
		const stopped = await Promise.all(this.#children.map(async child => stopFamily(child, this.options.stopSignal)));
		return this.#children.filter((_, index) => !stopped[index]).map(({command}) => command[0] ?? '');
	}

	/** How the programs ended, in the order in which they were started; after stop(). */
	async endings(): Promise<Array<number | string>> {
		return Promise.all(this.#children.map(async ({ended}) => ended));
	}

	async close(): Promise<void> {
		await this.stop();
		await rm(this.directory, {recursive: true, force: true});
	}

	async #until(isReady: () => boolean, child: Child): Promise<void> {
		const deadline = Date.now() + this.options.readyTimeoutMs;
		while (!isReady()) {
			if (child.hasEnded || Date.now() > deadline || this.options.signal.aborted) {
				throw new Error(`${child.command.join(' ')} ${child.hasEnded ? 'ended' : 'does not get ready'}\n${this.log()}`);
			}

			// eslint-disable-next-line no-await-in-loop
			await sleep(20);
		}
	}

	/** Output goes to files: Node's own pipes would be sockets, which few programs have there. */
	#start(end: End | undefined, {run, user, env, input, isLiteral}: Started): Child {
		const [file = '', ...args] = isLiteral ? run : run.map(word => this.expand(word));
		const log = path.join(this.directory, `log-${this.#children.length}`);
		const logs = [`${log}.out`, `${log}.err`] as const;
		// Execa takes any descriptor; its types stop at 9.
		const [out, error] = logs.map(name => openSync(name, 'w')) as [3, 4];
		const options: ExecaOptions = {
			cwd: this.directory, env: {...this.#environment(end), ...mapValues(env ?? {}, text => this.expand(text))}, extendEnv: false, detached: true, cleanup: true,
			reject: false, stdout: out, stderr: error, buffer: false, ...findAccount(user), ...(input === undefined ? {stdin: 'ignore' as const} : {input: this.expand(input)}),
		};
		const subprocess = execa(file, args, options);
		const child: Child = {command: [file, ...args], logs, pid: subprocess.pid ?? -1, ended: waitForEnd(subprocess), hasEnded: false};
		this.#children.push(child);
		void child.ended.then(() => {
			child.hasEnded = true;
		});
		closeSync(out);
		closeSync(error);
		return child;
	}

	#environment(end: End | undefined): Record<string, string> {
		const {mode, library, settings, searchPath} = this.options;
		return {
			PATH: searchPath, LC_ALL: 'C.UTF-8', HOME: this.directory,
			...(end !== undefined && isPreloaded(mode, end) && {
				LD_PRELOAD: library, RSOCKET_REPORT: this.#report, RSOCKET_CONFIG_DIR: path.join(this.directory, 'no-config'),
				...(settings !== '' && {RSOCKET_SET: settings}),
			}),
		};
	}
}

function mapValues(record: Readonly<Record<string, string>>, change: (text: string) => string): Record<string, string> {
	return Object.fromEntries(Object.entries(record).map(([key, text]) => [key, change(text)]));
}

function outputs({logs}: Child): [string, string] {
	return [readFileSync(logs[0], 'utf8'), readFileSync(logs[1], 'utf8')];
}

async function waitForEnd(subprocess: ResultPromise): Promise<number | string> {
	const result = await subprocess;
	return result.exitCode ?? result.signal ?? result.shortMessage ?? 'unknown';
}

/** Politely, then not. Returns when nothing of it is left: whether politeness was enough. */
async function stopFamily(child: Child, polite: NodeJS.Signals): Promise<boolean> {
	for (const [signal, waitMs] of [[polite, 8000], ['SIGKILL', 10_000]] as const) {
		const deadline = Date.now() + waitMs;
		for (const pid of child.pid > 0 ? findFamily(child.pid) : []) {
			signalOne(pid, signal);
		}

		while (child.pid > 0 && Date.now() < deadline) {
			if (findFamily(child.pid).length === 0) {
				// eslint-disable-next-line no-await-in-loop
				await child.ended;
				return signal === polite;
			}

			// eslint-disable-next-line no-await-in-loop
			await sleep(20);
		}
	}

	return child.pid <= 0;
}

function signalOne(pid: number, signal: NodeJS.Signals): void {
	try {
		process.kill(pid, signal);
	} catch {
		// It ended by itself meanwhile.
	}
}
