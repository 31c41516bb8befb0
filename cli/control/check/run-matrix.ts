/** Runs applications in every mode over every transport, and judges each run by the one on plain TCP. */
import {findMissing, searchPath} from './find-missing.js';
import {type Manifest} from './manifest.js';
import {type Mode} from './modes.js';
import {
	findBreakage, findDifferences, perform, type Circumstances, type Difference, type Outcome,
} from './perform.js';

/**
 * `same`: as on plain TCP, and promoted where it should be; `unpromoted`: as on plain TCP, but too little was promoted;
 * `differs`: not as on plain TCP; `broken`: plain TCP itself does not do what the manifest says; `skipped`: not installed.
 */
export type Status = 'same' | 'unpromoted' | 'differs' | 'broken' | 'skipped';

export type Cell = {
	readonly app: string;
	readonly mode: Exclude<Mode, 'plain'>;
	readonly transport: string;
	readonly status: Status;
	/** Of the run, without that on plain TCP. */
	readonly durationMs: number;
	/** The ends that were seen, and how many of them were promoted. */
	readonly ends: number;
	readonly promoted: number;
	/** Reason codes of those that were not, with how often. */
	readonly reasons: Readonly<Record<string, number>>;
	readonly differences: readonly Difference[];
	/** Why it is not `same`; empty otherwise. */
	readonly why: string;
	/** More than 1: a run before this one was not `same`. */
	readonly attempts: number;
};

export type Plan = {
	readonly manifests: readonly Manifest[];
	readonly modes: ReadonlyArray<Cell['mode']>;
	readonly transports: readonly string[];
	/** For all cells, besides the transport. */
	readonly settings: readonly string[];
	readonly jobs: number;
	/** How often a cell that is not `same` is tried again. */
	readonly retries: number;
	/** PATH. */
	readonly path: string;
};

type Surroundings = Omit<Circumstances, 'mode' | 'settings' | 'searchPath'>;

/** Cells come in the plan's order; `onCell` hears of them in the order in which they end. Stops early when aborted. */
export async function runMatrix(plan: Plan, surroundings: Surroundings, onCell: (cell: Cell) => void): Promise<Cell[]> {
	const cells = plan.manifests.flatMap(manifest => {
		const oracle = makeOracle(manifest, plan, surroundings);
		return modesOf(manifest, plan).flatMap(mode => plan.transports.map(transport => ({
			manifest, fixedPorts: fixedPorts(manifest),
			run: async () => runCell({manifest, mode, transport, plan}, surroundings, oracle),
		})));
	});
	return schedule(cells, plan.jobs, surroundings.signal, onCell);
}

export function countCells(plan: Plan): number {
	let count = 0;
	for (const manifest of plan.manifests) {
		count += modesOf(manifest, plan).length * plan.transports.length;
	}

	return count;
}

/** Where there are no servers, none can run alone under the toolkit. */
function modesOf(manifest: Manifest, {modes}: Plan): ReadonlyArray<Cell['mode']> {
	return modes.filter(mode => mode !== 'server' || manifest.start.length > 0);
}

/** The run on plain TCP, once for all cells of an application. */
function makeOracle(manifest: Manifest, plan: Plan, surroundings: Surroundings): () => Promise<Outcome> {
	let outcome: Promise<Outcome> | undefined;
	return async () => {
		outcome ??= perform(manifest, {...surroundings, mode: 'plain', settings: '', searchPath: searchPath(manifest, plan.path)});
		return outcome;
	};
}

type Place = {readonly manifest: Manifest; readonly mode: Cell['mode']; readonly transport: string; readonly plan: Plan};

async function runCell(place: Place, surroundings: Surroundings, oracle: () => Promise<Outcome>): Promise<Cell> {
	const {manifest, mode, transport, plan} = place;
	const empty = {
		app: manifest.name, mode, transport, durationMs: 0, ends: 0, promoted: 0, reasons: {}, differences: [], attempts: 1,
	} as const;
	const missing = findMissing(manifest, plan.path, surroundings.npmDirectory);
	if (missing !== undefined) {
		return {...empty, status: 'skipped', why: missing};
	}

	const plain = await oracle();
	const breakage = findBreakage(manifest, plain);
	if (breakage !== undefined) {
		return {...empty, status: 'broken', why: breakage};
	}

	let cell: Cell | undefined;
	for (let attempt = 1; attempt <= plan.retries + 1 && cell?.status !== 'same' && !surroundings.signal.aborted; attempt++) {
		const settings = [...plan.settings, `transport=${transport}`].join(',');
		// eslint-disable-next-line no-await-in-loop
		const outcome = await perform(manifest, {...surroundings, mode, settings, searchPath: searchPath(manifest, plan.path)});
		cell = {...empty, ...judge(place, plain, outcome), attempts: attempt};
	}

	return cell ?? {...empty, status: 'broken', why: 'interrupted'};
}

/** The plain run is good; what became of this one? */
function judge({manifest, mode, transport}: Place, plain: Outcome, outcome: Outcome): Omit<Cell, 'app' | 'mode' | 'transport' | 'attempts'> {
	const {connections, durationMs, log} = outcome;
	const promoted = connections.filter(connection => connection.isPromoted).length;
	const differences = findDifferences(plain, outcome);
	const canPromote = mode === 'both' && transport !== 'tcp' && typeof manifest.promotes === 'number';
	const facts = {durationMs, ends: connections.length, promoted, reasons: countReasons(outcome), differences};
	if (differences.length > 0) {
		return {...facts, status: 'differs', why: `${differences.map(({step, what, expected, got}) => `${step}: ${what}: expected ${expected}, got ${got}`).join('\n')}\n${log}`};
	}

	if (canPromote && promoted < Number(manifest.promotes)) {
		return {...facts, status: 'unpromoted', why: `${promoted} of ${connections.length} ends were promoted, not ${manifest.promotes}`};
	}

	if (promoted > 0 && transport === 'tcp') {
		return {...facts, status: 'differs', why: `${promoted} ends were promoted, which transport=tcp forbids`};
	}

	return {...facts, status: 'same', why: ''};
}

function countReasons({connections}: Outcome): Record<string, number> {
	const counts: Record<string, number> = {};
	for (const {reason} of connections.filter(({isPromoted}) => !isPromoted)) {
		counts[reason] = (counts[reason] ?? 0) + 1;
	}

	return counts;
}

function fixedPorts({ports}: Manifest): number[] {
	return Object.values(ports ?? {}).filter(port => port !== 0);
}

type Job = {readonly fixedPorts: readonly number[]; readonly run: () => Promise<Cell>};

/** Up to `jobs` at once; never two that want the same fixed port. */
async function schedule(jobs: readonly Job[], limit: number, signal: AbortSignal, onCell: (cell: Cell) => void): Promise<Cell[]> {
	const results = Array.from({length: jobs.length}, (): Cell | undefined => undefined);
	const waiting = [...jobs.keys()];
	const running = new Map<number, Promise<void>>();
	const busy = (): Set<number> => new Set([...running.keys()].flatMap(index => jobs[index]?.fixedPorts ?? []));
	while ((waiting.length > 0 && !signal.aborted) || running.size > 0) {
		const taken = busy();
		const next = signal.aborted || running.size >= limit ? -1 : waiting.findIndex(index => !jobs[index]?.fixedPorts.some(port => taken.has(port)));
		if (next === -1) {
			// eslint-disable-next-line no-await-in-loop
			await Promise.race(running.values());
			continue;
		}

		const [index = -1] = waiting.splice(next, 1);
		running.set(index, (async () => {
			try {
				const cell = await jobs[index]?.run();
				// What an interrupted run looks like says nothing about the application.
				if (cell && !signal.aborted) {
					results[index] = cell;
					onCell(cell);
				}
			} finally {
				running.delete(index);
			}
		})());
	}

	return results.filter(cell => cell !== undefined);
}
