/** One connected rsocket: reads and writes as far as they go without waiting, and never more than a share of a turn of the event loop. */
import {AsyncResource} from 'node:async_hooks';
import {type Buffer} from 'node:buffer';
import {constants} from 'node:os';
import process from 'node:process';
import {getEngine, readEvents, writeEvents, type Watched} from './engine.js';

const {EAGAIN, EINTR} = constants.errno;

/** Bytes that one connection may move in one turn. A call counts as at least `callCost`. */
const share = 1_048_576;
const callCost = 2048;

export type Receiver = {
	/** False: no more until `read` is called. */
	onBytes(bytes: Buffer): boolean;
	onEnd(): void;
	/** `errno`: negative. */
	onReadError(errno: number): void;
	/** Bytes moved. */
	onActivity(): void;
};

type Write = {
	readonly chunks: readonly Uint8Array[];
	/** `errno`: negative, or 0: all was written. */
	readonly done: (errno: number) => void;
	first: number;
	offset: number;
};

export class Connection implements Watched {
	bytesRead = 0;
	readonly #engine = getEngine();
	/** Listeners run in the context in which the socket was made. */
	readonly #resource = new AsyncResource('RSOCKET');
	/** Somebody wants to read; there may be something; the loop below is running. */
	#wanted = false;
	#mayRead = true;
	#receiving = false;
	#write: Write | undefined;
	/** There may be room. */
	#mayWrite = true;
	#referenced = true;
	#holding = false;
	#closed = false;
	#turn = -1;
	#spent = 0;

	/** Owns the rsocket `id` from now on. */
	constructor(readonly id: number, readonly receiver: Receiver) {
		this.#engine.watch(id, this);
	}

	get referenced(): boolean {
		return this.#referenced;
	}

	set referenced(referenced: boolean) {
		this.#referenced = referenced;
		this.#settle();
	}

	/** Until `onBytes` returns false, or the end. */
	read(): void {
		this.#wanted = true;
		this.#settle();
		// Not now: who reads what there is within one call would read for ever.
		if (this.#mayRead && !this.#receiving) {
			this.#engine.schedule(this, this.#holding);
		}
	}

	/** One at a time. */
	write(chunks: readonly Uint8Array[], done: Write['done']): void {
		this.#write = {chunks, done, first: 0, offset: 0};
		this.#send();
		this.#settle();
	}

	/** 0 or a negative errno. */
	shutdown(): number {
		return this.#engine.calls.shutdown(this.id);
	}

	close({reset}: {readonly reset: boolean}): void {
		if (!this.#closed) {
			this.#closed = true;
			const write = this.#write;
			this.#write = undefined;
			this.#settle();
			if (write) {
				// Its stream is destroyed already, and says so.
				process.nextTick(write.done, 0);
			}

			this.#engine.close(this.id, {reset});
			this.#resource.emitDestroy();
		}
	}

	onReady(events: number): void {
		this.#mayRead ||= (events & readEvents) !== 0;
		this.#mayWrite ||= (events & writeEvents) !== 0;
		this.onTurn();
	}

	onTurn(): void {
		this.#resource.runInAsyncScope(() => {
			try {
				this.#receive();
			} finally {
				this.#send();
				this.#settle();
			}
		});
	}

	#receive(): void {
		if (this.#receiving) {
			return;
		}

		this.#receiving = true;
		try {
			while (this.#wanted && this.#mayRead && !this.#closed && this.#hasShare()) {
				this.#receiveOnce();
			}
		} finally {
			this.#receiving = false;
			if (this.#wanted && this.#mayRead && !this.#closed) {
				this.#engine.schedule(this, this.#referenced);
			}
		}
	}

	#receiveOnce(): void {
		const bytes = this.#engine.receive(this.id);
		if (typeof bytes !== 'number') {
			this.#count(bytes.length);
			this.bytesRead += bytes.length;
			// Whoever is called may call `read`; or throw, which is no reason to stop.
			this.#wanted = false;
			let wantsMore = true;
			try {
				wantsMore = this.receiver.onBytes(bytes);
			} finally {
				this.#wanted ||= wantsMore;
			}
		} else if (bytes === -EAGAIN) {
			this.#mayRead = false;
		} else if (bytes !== -EINTR) {
			this.#mayRead = false;
			this.#wanted = false;
			this.#settle();
			if (bytes === 0) {
				this.receiver.onEnd();
			} else {
				this.receiver.onReadError(bytes);
			}
		}
	}

	#send(): void {
		for (let write = this.#write; write && !this.#closed; write = this.#write) {
			skipWritten(write);
			if (write.first === write.chunks.length) {
				this.#write = undefined;
				write.done(0);
				return;
			}

			if (!this.#mayWrite) {
				return;
			}

			if (!this.#hasShare()) {
				this.#engine.schedule(this, true);
				return;
			}

			this.#sendOnce(write);
		}
	}

	#sendOnce(write: Write): void {
		const sent = this.#engine.calls.send(this.id, write.chunks, write.first, write.offset);
		if (sent >= 0) {
			this.#count(sent);
			write.offset += sent;
		} else if (sent === -EAGAIN) {
			this.#mayWrite = false;
		} else if (sent !== -EINTR) {
			this.#write = undefined;
			write.done(sent);
		}
	}

	#count(bytes: number): void {
		if (this.#turn !== this.#engine.turn) {
			this.#turn = this.#engine.turn;
			this.#spent = 0;
			this.#engine.countTurn();
		}

		this.#spent += Math.max(bytes, callCost);
		this.receiver.onActivity();
	}

	/** If not, it goes on in the next turn. */
	#hasShare(): boolean {
		return this.#turn !== this.#engine.turn || this.#spent < share;
	}

	/** As with Node's sockets: who reads keeps the process going unless unreferenced, and who writes does in any case. */
	#settle(): void {
		const holds = !this.#closed && ((this.#wanted && this.#referenced) || this.#write !== undefined);
		if (holds !== this.#holding) {
			this.#holding = holds;
			if (holds) {
				this.#engine.hold();
			} else {
				this.#engine.release();
			}
		}
	}
}

function skipWritten(write: Write): void {
	while (write.first < write.chunks.length && write.offset >= write.chunks[write.first]!.length) {
		write.offset -= write.chunks[write.first]!.length;
		write.first++;
	}
}
