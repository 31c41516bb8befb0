/** Holds a conversation under the toolkit, and tells what became of its connection. */
import process from 'node:process';
import {fileURLToPath} from 'node:url';
import {type Native} from '../../native.js';
import {type Connection} from '../describe-connection.js';
import {withLibrary} from './borrow-library.js';
import {type Conversation} from './converse.js';
import {Stage} from './stage.js';

const program = fileURLToPath(new URL('probe-program.js', import.meta.url));

export type Probe = {
	readonly isDone: boolean;
	readonly answers: number;
	readonly connections: readonly Connection[];
	/** What went wrong, if it is not done. */
	readonly log: string;
};

type Surroundings = {
	readonly native: Native;
	readonly signal: AbortSignal;
	/** For the program, besides what preloads the library. */
	readonly env: Readonly<Record<string, string>>;
};

/** `undefined`: with itself. It looks for its peer at once, whatever `env` says. */
export async function probe(conversation: Conversation | undefined, {native, signal, env}: Surroundings): Promise<Probe> {
	const words = conversation ? [JSON.stringify(conversation)] : ['alone', '64'];
	return withLibrary(async library => {
		const stage = await Stage.open({
			mode: 'client', settings: [env['RSOCKET_SET'], 'promote_after_calls=1'].filter(Boolean).join(','), library, native, ports: {}, words: {}, searchPath: '/usr/bin:/bin', stopSignal: 'SIGKILL',
			readyTimeoutMs: 0, stepTimeoutMs: 30_000, signal,
		});
		try {
			const {RSOCKET_SET: _, ...rest} = env;
			const {status, stdout} = await stage.run('client', {run: [process.execPath, program, ...words], env: rest, isLiteral: true});
			await stage.stop();
			return {isDone: status === 0, answers: Number(stdout), connections: stage.connections(), log: stage.log()};
		} finally {
			await stage.close();
		}
	});
}
