/** The addon's sockets in this thread of JavaScript: who is told what is ready, and who has work left for the next turn of the event loop. */
import {Buffer} from 'node:buffer';
import {loadNative, rsocketLibrary, type Rsockets} from '../../native.js';
import {CliError} from '../cli-error.js';

/** Bits of `struct epoll_event`. */
export const readEvents = 0x20_19; // EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP
export const writeEvents = 0x1C; // EPOLLOUT | EPOLLERR | EPOLLHUP

export type Watched = {
	/** May be called without reason: a hint to look. */
	onReady(events: number): void;
	/** What it had scheduled. */
	onTurn(): void;
};

const slabSize = 65_536;
/** Less than this is copied out of the slab, which is then used again; more is given away with the slab. */
const copyMax = slabSize / 4;

export class Engine {
	readonly calls: Rsockets;
	/** Counts turns of the event loop in which something happened. */
	turn = 0;
	readonly #watched = new Map<number, Watched>();
	readonly #told = new Map<number, number>();
	readonly #scheduled = new Set<Watched>();
	#slab = Buffer.allocUnsafeSlow(slabSize);
	#immediate: NodeJS.Immediate | undefined;
	#holders = 0;

	constructor() {
		try {
			this.calls = loadNative().rsockets(rsocketLibrary, ready => {
				this.#tell(ready);
			});
		} catch (error) {
			if (error instanceof CliError) {
				throw error;
			}

			throw new CliError(`${rsocketLibrary} cannot be used: ${error instanceof Error ? error.message : String(error)}`, {code: 'not-built', cause: error, remedy: 'Run npm run build.'});
		}
	}

	watch(id: number, watched: Watched): void {
		this.#watched.set(id, watched);
	}

	close(id: number, {reset = false}: {readonly reset?: boolean} = {}): void {
		const watched = this.#watched.get(id);
		this.#watched.delete(id);
		if (watched) {
			this.#scheduled.delete(watched);
		}

		this.calls.close(id, reset);
	}

	/** The event loop goes on until as many `release` as `hold` were called. */
	hold(): void {
		if (this.#holders++ === 0) {
			this.calls.hold(true);
		}
	}

	release(): void {
		if (--this.#holders === 0) {
			this.calls.hold(false);
		}
	}

	/** Up to 64 KiB, as a Buffer of their own; or what `receive` returned instead of a number of bytes. */
	receive(id: number): Buffer | number {
		const slab = this.#slab;
		const length = this.calls.receive(id, slab);
		if (length <= 0) {
			return length;
		}

		if (length < copyMax) {
			return Buffer.from(slab.subarray(0, length));
		}

		this.#slab = Buffer.allocUnsafeSlow(slabSize);
		return slab.subarray(0, length);
	}

	/** Something was done in this turn: the next one is to be counted. */
	countTurn(): void {
		// Unreferenced: should nothing else happen, nothing has to.
		this.#immediate ??= setImmediate(this.#startTurn).unref();
	}

	/** Calls `onTurn` in the next turn; `alive`: even if nothing else keeps the event loop going. */
	schedule(watched: Watched, alive: boolean): void {
		this.#scheduled.add(watched);
		if (alive) {
			this.#immediate = (this.#immediate ?? setImmediate(this.#startTurn)).ref();
		} else {
			// An immediate that is unreferenced would not wake the loop.
			setTimeout(() => {
				this.countTurn();
			}, 1).unref();
		}
	}

	readonly #startTurn = (): void => {
		this.#immediate = undefined;
		this.turn++;
		const scheduled = [...this.#scheduled];
		try {
			while (scheduled.length > 0) {
				const watched = scheduled.shift()!;
				if (this.#scheduled.delete(watched)) {
					watched.onTurn();
				}
			}
		} finally {
			// A listener threw: the others have their turn in the next one.
			if (this.#scheduled.size > 0) {
				this.#immediate ??= setImmediate(this.#startTurn);
			}
		}
	};

	#tell(ready: readonly number[]): void {
		for (let index = 0; index < ready.length; index += 2) {
			this.#told.set(ready[index]!, (this.#told.get(ready[index]!) ?? 0) | ready[index + 1]!);
		}

		try {
			for (const [id, events] of this.#told) {
				this.#told.delete(id);
				this.#watched.get(id)?.onReady(events);
			}
		} finally {
			// A listener threw: the others hear all the same.
			if (this.#told.size > 0) {
				setImmediate(() => {
					this.#tell([]);
				});
			}
		}
	}
}

let engine: Engine | undefined;

/** The one of this thread, started now if it was not. Throws a CliError where librsocket.so is missing. */
export function getEngine(): Engine {
	engine ??= new Engine();
	return engine;
}
