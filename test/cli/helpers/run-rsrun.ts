/** Starts the rsrun of this tree and waits for it. */
import {spawn, type ChildProcess, type StdioOptions} from 'node:child_process';
import process from 'node:process';
import {text} from 'node:stream/consumers';
import {fileURLToPath, URL} from 'node:url';

/** From dist/test/cli/helpers. */
export const rsrun = fileURLToPath(new URL('../../../../cli/rsrun.sh', import.meta.url));

export type Finished = {
	readonly pid: number | undefined;
	readonly code: number | null;
	readonly signal: NodeJS.Signals | null;
	readonly stdout: string;
	readonly stderr: string;
};

type Options = {
	readonly env?: Readonly<Record<string, string>>;
	readonly stdio?: StdioOptions;
	/** Called once the child exists. */
	readonly onStart?: (child: ChildProcess) => void;
	/** What is started with `args`: rsrun unless a shell must come first. */
	readonly file?: string;
};

export async function runRsrun(args: readonly string[], {env, stdio = ['ignore', 'pipe', 'pipe'], onStart, file = rsrun}: Options = {}): Promise<Finished> {
	const child = spawn(file, args, {stdio, env: {...process.env, NODE_V8_COVERAGE: undefined, ...env}});
	const ended = new Promise<Pick<Finished, 'code' | 'signal'>>((resolve, reject) => {
		child.once('error', reject);
		child.once('close', (code, signal) => {
			resolve({code, signal});
		});
	});
	onStart?.(child);
	const [stdout, stderr, {code, signal}] = await Promise.all([
		child.stdout ? text(child.stdout) : '',
		child.stderr ? text(child.stderr) : '',
		ended,
	]);
	return {
		pid: child.pid, code, signal, stdout, stderr,
	};
}
