/** A headless Chromium with one page, spoken to over its pipe. */
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {type Duplex, type Readable, type Writable} from 'node:stream';
import type {ExecutionContext} from 'ava';
import {makeTemporaryDirectory} from './temporary-directory.js';

type Reply = {readonly id?: number; readonly result?: Record<string, unknown>; readonly error?: {readonly message: string}};

export type Page = {
	/** The value of an expression in the page. */
	evaluate(expression: string): Promise<unknown>;
};

export async function openPage(t: ExecutionContext, url: string): Promise<Page> {
	const child = spawn('chromium', [
		'--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--remote-debugging-pipe', `--user-data-dir=${makeTemporaryDirectory(t)}`, 'about:blank',
	], {stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe']});
	t.teardown(async () => {
		child.kill();
		if (child.exitCode === null && child.signalCode === null) {
			await once(child, 'exit');
		}
	});
	const failed = (async () => {
		const [error] = await once(child, 'error') as [Error];
		throw error;
	})();
	const ask = connect(child.stdio[3] as Duplex, child.stdio[4] as Duplex);
	const {targetId} = await Promise.race([ask('Target.createTarget', {url}), failed]) as {targetId: string};
	const {sessionId} = await ask('Target.attachToTarget', {targetId, flatten: true}) as {sessionId: string};
	return {
		async evaluate(expression) {
			const {result} = await ask('Runtime.evaluate', {expression, returnByValue: true}, sessionId) as {result: {value?: unknown}};
			return result.value;
		},
	};
}

/** Messages are JSON, each with a NUL behind it. */
function connect(input: Writable, output: Readable): (method: string, parameters: object, sessionId?: string) => Promise<unknown> {
	const waiting = new Map<number, {resolve(value: unknown): void; reject(error: Error): void}>();
	let text = '';
	output.setEncoding('utf8').on('data', (piece: string) => {
		const messages = (text + piece).split('\0');
		text = messages.pop() ?? '';
		for (const message of messages) {
			const {id, result, error} = JSON.parse(message) as Reply;
			const asked = id === undefined ? undefined : waiting.get(id);
			if (asked) {
				waiting.delete(id!);
				if (error) {
					asked.reject(new Error(error.message));
				} else {
					asked.resolve(result);
				}
			}
		}
	});
	let last = 0;
	return async (method, parameters, sessionId) => new Promise((resolve, reject) => {
		last++;
		waiting.set(last, {resolve, reject});
		input.write(`${JSON.stringify({id: last, method, params: parameters, ...(sessionId !== undefined && {sessionId})})}\0`);
	});
}
