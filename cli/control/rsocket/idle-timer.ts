/** The `timeout` event of a socket. */
import {type EventEmitter} from 'node:events';
import {codedError} from './errors.js';

export class IdleTimer {
	timeout: number | undefined;
	#timer: NodeJS.Timeout | undefined;

	readonly #emitter: EventEmitter;

	constructor(emitter: EventEmitter) {
		this.#emitter = emitter;
	}

	/** In ms; 0: none. */
	set(timeout: number, listener?: () => void): void {
		if (typeof timeout !== 'number' || !Number.isFinite(timeout) || timeout < 0) {
			throw codedError('ERR_OUT_OF_RANGE', `The value of "msecs" is out of range. It must be a non-negative finite number. Received ${String(timeout)}`, RangeError);
		}

		this.clear();
		this.timeout = timeout;
		if (timeout === 0) {
			if (listener) {
				this.#emitter.off('timeout', listener);
			}

			return;
		}

		if (listener) {
			this.#emitter.once('timeout', listener);
		}

		this.#timer = setTimeout(() => {
			this.#emitter.emit('timeout');
		}, timeout).unref();
	}

	/** Something happened. */
	refresh(): void {
		this.#timer?.refresh();
	}

	clear(): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
	}
}
