/** One run of an application: a directory, a port, a report, and the programs that run there. */
import {
	chmod, chown, copyFile, mkdir, mkdtemp, rm,
} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import process from 'node:process';
import {setTimeout as sleep} from 'node:timers/promises';
import {freePort, isListening} from '../../../cli/control/check/ports.js';
import {toRaw} from '../../../cli/control/raw.js';
import {type ConnectionRecord, loadNative} from '../../../cli/native.js';
import {type Account, Child, type Result} from './child.js';
import {type End, type Mix} from './mix.js';
import {library} from './paths.js';
import {snapshot} from './snapshot.js';

const reportCapacity = 16_384;
const readyTimeoutMs = 30_000;

export type Options = {
	readonly account?: Account;
	readonly input?: string | Uint8Array;
	readonly env?: Readonly<Record<string, string>>;
	readonly timeoutMs?: number;
};

export class Stage {
	static async open(mix: Mix): Promise<Stage> {
		const directory = await mkdtemp(join(tmpdir(), 'rs-app-'));
		await chmod(directory, 0o755);
		await mkdir(join(directory, 'config'));
		const stage = new Stage(mix, directory, await freePort());
		stage.#native.statsCreate(toRaw(stage.#report), reportCapacity);
		// Servers that give up root must still reach both.
		await chmod(stage.#report, 0o666);
		if (mix.preloaded.length > 0) {
			// A copy: a build meanwhile must not change the library under running programs.
			await copyFile(library, stage.#library);
			await chmod(stage.#library, 0o755);
		}

		return stage;
	}

	/** The main service; `ports` are all that were handed out. */
	readonly ports: number[] = [];
	readonly #children: Child[] = [];
	readonly #native = loadNative();

	private constructor(readonly mix: Mix, readonly directory: string, readonly port: number) {
		this.ports.push(port);
	}

	get #report(): string {
		return this.path('report');
	}

	get #library(): string {
		return this.path('librspreload.so');
	}

	path(name: string): string {
		return join(this.directory, name);
	}

	async anotherPort(): Promise<number> {
		const port = await freePort();
		this.ports.push(port);
		return port;
	}

	/** A directory that `account` owns. */
	async makeDirectory(name: string, account?: Account): Promise<string> {
		const path = this.path(name);
		await mkdir(path);
		if (account) {
			await chown(path, account.uid, account.gid);
		}

		return path;
	}

	/** Starts a server and returns when `port` is listened on. */
	async serve(command: readonly string[], options: Options & {readonly port?: number} = {}): Promise<Child> {
		const child = this.#start('server', command, options);
		const deadline = Date.now() + readyTimeoutMs;
		while (!isListening(options.port ?? this.port)) {
			if (child.hasEnded || Date.now() > deadline) {
				throw new Error(`${command.join(' ')} does not listen\n${await this.explainHang()}`);
			}

			await sleep(20);
		}

		return child;
	}

	/** Runs a client to its end. */
	async run(command: readonly string[], options: Options = {}): Promise<Result> {
		return this.#run('client', command, options);
	}

	/** Runs a client that must succeed. Returns its standard output. */
	async output(command: readonly string[], options: Options = {}): Promise<string> {
		const result = await this.run(command, options);
		return this.#mustSucceed(command, result);
	}

	/** Runs a tool that is neither end (key generation, a database's creation): never preloaded. */
	async prepare(command: readonly string[], options: Options = {}): Promise<string> {
		const result = await this.#run(undefined, command, options);
		return this.#mustSucceed(command, result);
	}

	/** The ends of connections to `port` that preloaded programs saw. */
	connections(port = this.port): ConnectionRecord[] {
		return this.allConnections().filter(end => (end.accepted ? end.localPort : end.peerPort) === port);
	}

	allConnections(): ConnectionRecord[] {
		return this.#native.statsRead(toRaw(this.#report), reportCapacity).connections;
	}

	/** What the programs printed, for the reader of a failure. */
	outputs(): string {
		const outputs = this.#children.map(({command, output}) =>
			`$ ${command.join(' ')}\n${output.stdout.slice(-2000)}${output.stderr.slice(-4000)}`);
		return [`mix: ${this.mix.name}`, ...outputs].join('\n');
	}

	/** The same and what each of their threads is doing, for the reader of a hang. */
	async explainHang(): Promise<string> {
		const state = await snapshot(this.#children.map(child => child.pid), this.ports);
		return `${this.outputs()}\n${state}`;
	}

	/** Ends the servers, so that their part of the report is complete. */
	async stop(): Promise<void> {
		await Promise.all(this.#children.map(async child => child.stop()));
	}

	async close(): Promise<void> {
		await this.stop();
		await rm(this.directory, {recursive: true, force: true});
	}

	async #run(end: End | undefined, command: readonly string[], options: Options): Promise<Result> {
		const child = this.#start(end, command, options);
		const result = await child.result(options.timeoutMs ?? 60_000);
		if (!result) {
			throw new Error(`${command.join(' ')} hangs\n${await this.explainHang()}`);
		}

		return result;
	}

	#mustSucceed(command: readonly string[], result: Result): string {
		if (result.status !== 0) {
			throw new Error(`${command.join(' ')} ended with ${result.status}\n${result.stderr}\n${this.outputs()}`);
		}

		return result.stdout;
	}

	#start(end: End | undefined, command: readonly string[], options: Options): Child {
		const log = this.path(`log-${this.#children.length}`);
		const child = new Child(command, [`${log}.out`, `${log}.err`], {
			cwd: this.directory,
			env: {...this.#environment(end), ...options.env},
			account: options.account,
			...(options.input === undefined ? {} : {input: options.input}),
		});
		this.#children.push(child);
		return child;
	}

	#environment(end: End | undefined): Record<string, string> {
		const common = {PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', HOME: this.directory};
		if (end === undefined || !this.mix.preloaded.includes(end)) {
			return common;
		}

		return {
			...common,
			LD_PRELOAD: this.#library,
			RSOCKET_REPORT: this.#report,
			RSOCKET_CONFIG_DIR: this.path('config'),
			...(this.mix.settings === '' ? {} : {RSOCKET_SET: this.mix.settings}),
		};
	}
}
