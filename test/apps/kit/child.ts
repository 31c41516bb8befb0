/** A program of a test, started in a session of its own so that it can be ended with all its descendants. */
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {closeSync, openSync, readFileSync} from 'node:fs';
import process from 'node:process';
import {setTimeout as sleep} from 'node:timers/promises';
import {familyOf} from './snapshot.js';

export type Account = {readonly uid: number; readonly gid: number};

export type ChildOptions = {
	readonly cwd: string;
	readonly env: Readonly<Record<string, string>>;
	readonly account: Account | undefined;
	/** Written to standard input, which is closed then. */
	readonly input?: string | Uint8Array;
};

export type Result = {
	/** Exit code, or the name of the signal that ended it. */
	readonly status: number | string;
	readonly stdout: string;
	readonly stderr: string;
};

export class Child {
	readonly pid: number;
	readonly #process: ChildProcess;
	readonly #logs: readonly [string, string];
	readonly #ended: Promise<number | string>;

	/** Standard output and error go to the files `logs`: Node's own pipes would be sockets, which few programs have there. */
	constructor(readonly command: readonly string[], logs: readonly [string, string], options: ChildOptions) {
		const [file = '', ...args] = command;
		const outputs = logs.map(path => openSync(path, 'w'));
		this.#logs = logs;
		this.#process = spawn(file, args, {
			cwd: options.cwd, env: options.env, detached: true, stdio: [options.input === undefined ? 'ignore' : 'pipe', ...outputs], ...options.account,
		});
		this.pid = this.#process.pid ?? -1;
		this.#ended = this.#waitForEnd();
		for (const output of outputs) {
			closeSync(output);
		}

		// A program that ends without reading its input breaks the pipe: its exit code says more.
		this.#process.stdin?.on('error', () => undefined);
		this.#process.stdin?.end(options.input);
	}

	get hasEnded(): boolean {
		return this.#process.exitCode !== null || this.#process.signalCode !== null || this.pid === -1;
	}

	get output(): Pick<Result, 'stdout' | 'stderr'> {
		const [stdout, stderr] = this.#logs;
		return {stdout: readFileSync(stdout, 'utf8'), stderr: readFileSync(stderr, 'utf8')};
	}

	/** Undefined when it has not ended after `timeoutMs`. */
	async result(timeoutMs: number): Promise<Result | undefined> {
		const timer = new AbortController();
		const status = await Promise.race([this.#ended, sleep(timeoutMs, undefined, {signal: timer.signal}).catch(() => undefined)]);
		timer.abort();
		return status === undefined ? undefined : {status, ...this.output};
	}

	/** Ends the whole family: politely, then not. Returns when nothing of it is left. */
	async stop(politeMs = 3000): Promise<void> {
		for (const [signal, waitMs] of [['SIGTERM', politeMs], ['SIGKILL', 10_000]] as const) {
			const deadline = Date.now() + waitMs;
			signalAll(await familyOf([this.pid]), signal);
			while (Date.now() < deadline) {
				const left = await familyOf([this.pid]);
				if (left.length === 0) {
					await this.#ended;
					return;
				}

				await sleep(20);
			}
		}
	}

	async #waitForEnd(): Promise<number | string> {
		try {
			const [code, signal] = await once(this.#process, 'close') as [number | null, string | null];
			return code ?? signal ?? 'unknown';
		} catch (error) {
			return error instanceof Error ? error.message : String(error);
		}
	}
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
	for (const pid of pids) {
		try {
			process.kill(pid, signal);
		} catch {
			// It ended by itself meanwhile.
		}
	}
}
