/** A stream over a connected rsocket, or one that is being connected. */
import {type Buffer} from 'node:buffer';
import {constants} from 'node:os';
import process from 'node:process';
import {addAbortSignal, Duplex} from 'node:stream';
import {Connection} from './connection.js';
import {codedError, systemError} from './errors.js';
import {IdleTimer} from './idle-timer.js';
import {type SocketOptions} from './options.js';

type Done = (error?: Error | null) => void;

export class ConnectionStream extends Duplex {
	/** Whether `connect` was called and is not decided yet. */
	connecting = false;
	protected connection: Connection | undefined;
	protected readonly idle = new IdleTimer(this);
	protected referenced = true;
	protected resetting = false;
	/** Gives up what `connect` began. */
	protected cancelConnect: (() => void) | undefined;
	#written = 0;
	#bytesRead = 0;

	constructor({allowHalfOpen = false, signal, highWaterMark}: SocketOptions = {}) {
		// 'close' comes from here, with its parameter.
		super({allowHalfOpen, emitClose: false, autoDestroy: true, ...(highWaterMark !== undefined && {highWaterMark})});
		if (signal) {
			addAbortSignal(signal, this);
		}
	}

	get pending(): boolean {
		return !this.connection || this.connecting;
	}

	get readyState(): 'opening' | 'open' | 'readOnly' | 'writeOnly' | 'closed' {
		if (this.connecting) {
			return 'opening';
		}

		if (this.readable) {
			return this.writable ? 'open' : 'readOnly';
		}

		return this.writable ? 'writeOnly' : 'closed';
	}

	get bytesRead(): number {
		return this.connection?.bytesRead ?? this.#bytesRead;
	}

	/** With those that wait to be written. */
	get bytesWritten(): number {
		return this.#written + this.writableLength;
	}

	override _read(): void {
		if (this.connection) {
			this.connection.read();
		} else if (!this.destroyed) {
			this.once('connect', () => {
				this._read();
			});
		}
	}

	override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
		this.#write([chunk], done);
	}

	override _writev(chunks: ReadonlyArray<{readonly chunk: Buffer}>, done: Done): void {
		this.#write(chunks.map(({chunk}) => chunk), done);
	}

	override _final(done: Done): void {
		if (this.pending && !this.destroyed) {
			this.once('connect', () => {
				this._final(done);
			});
			return;
		}

		const errno = this.connection?.shutdown() ?? 0;
		done(errno < 0 && errno !== -constants.errno.ENOTCONN ? systemError(errno, 'shutdown') : undefined);
	}

	override _destroy(error: Error | null, done: Done): void {
		const isBegun = this.connection !== undefined || this.cancelConnect !== undefined;
		this.connecting = false;
		this.idle.clear();
		this.cancelConnect?.();
		this.#bytesRead = this.bytesRead;
		this.connection?.close({reset: this.resetting});
		this.connection = undefined;
		done(error);
		const tell = () => {
			this.emit('close', error !== null);
		};

		// Behind the 'error' that is put off likewise; and, as with Node, behind whatever waits for that.
		if (isBegun) {
			setImmediate(tell);
		} else {
			process.nextTick(tell);
		}
	}

	/** The stream owns the connected rsocket `id` from now on. */
	protected attach(id: number): void {
		this.connection = new Connection(id, {
			onBytes: bytes => this.push(bytes),
			onEnd: () => {
				this.push(null);
				// 'end' comes even if nobody reads.
				this.read(0);
			},
			onReadError: errno => {
				this.destroy(systemError(errno, 'read'));
			},
			onActivity: () => {
				this.idle.refresh();
			},
		});
		this.connection.referenced = this.referenced;
		this.idle.refresh();
	}

	#write(chunks: readonly Buffer[], done: Done): void {
		if (this.connecting) {
			this.#writeOnceConnected(chunks, done);
			return;
		}

		if (!this.connection) {
			done(codedError('ERR_SOCKET_CLOSED', 'Socket is closed'));
			return;
		}

		this.idle.refresh();
		this.connection.write(chunks, errno => {
			if (errno < 0) {
				done(systemError(errno, 'write'));
				return;
			}

			for (const {length} of chunks) {
				this.#written += length;
			}

			done();
		});
	}

	#writeOnceConnected(chunks: readonly Buffer[], done: Done): void {
		const onClose = () => {
			done(codedError('ERR_SOCKET_CLOSED_BEFORE_CONNECTION', 'Socket closed before the connection was established'));
		};

		this.once('close', onClose);
		this.once('connect', () => {
			this.off('close', onClose);
			this.#write(chunks, done);
		});
	}
}
