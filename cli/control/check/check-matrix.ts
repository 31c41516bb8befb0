/** Runs a plan of applications, and says when, where and for how long. */
import {hostname, release} from 'node:os';
import {type Native} from '../../native.js';
import {withLibrary} from './borrow-library.js';
import {type Results} from './format-matrix.js';
import {runMatrix, type Cell, type Plan} from './run-matrix.js';

export type MatrixSurroundings = {
	/** Where npm packages are. */
	readonly npmDirectory: string;
	/** That a step may take. */
	readonly stepTimeoutMs: number;
	readonly native: Native;
	readonly signal: AbortSignal;
};

/** Cells come in the plan's order; `onCell` hears of them in the order in which they end. Stops early when aborted. */
export async function checkMatrix(plan: Plan, surroundings: MatrixSurroundings, onCell: (cell: Cell) => void): Promise<Results> {
	const start = performance.now();
	const startedAt = new Date().toISOString();
	const cells = await withLibrary(async library => runMatrix(plan, {...surroundings, library, readyTimeoutMs: 30_000}, onCell));
	return {startedAt, durationMs: Math.round(performance.now() - start), machine: `${hostname()}, Linux ${release()}`, cells};
}
