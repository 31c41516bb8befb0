/** Connects to one of several addresses, the first that answers. */
import {AsyncResource} from 'node:async_hooks';
import {constants} from 'node:os';
import process from 'node:process';
import {getEngine} from './engine.js';
import {joinErrors, systemError, type SocketError} from './errors.js';

export type Address = {readonly address: string; readonly family: 4 | 6};

export type Attempt = {
	readonly addresses: readonly Address[];
	readonly port: number;
	readonly localAddress?: string | undefined;
	readonly localPort?: number | undefined;
	/** How long one address may take while others are left, in ms. */
	readonly patience: number;
	/** `id` of a connected rsocket, which the caller owns. */
	readonly onConnected: (id: number) => void;
	readonly onFailed: (error: SocketError) => void;
};

/** Returns the function that gives it up. Nothing is called before it returned. */
export function connectAny(attempt: Attempt): () => void {
	const connecting = new Connecting(attempt);
	process.nextTick(() => {
		connecting.tryNext();
	});
	return () => {
		connecting.end();
	};
}

class Connecting {
	readonly #engine = getEngine();
	readonly #resource = new AsyncResource('RSOCKETCONNECT');
	readonly #errors: SocketError[] = [];
	#id: number | undefined;
	#timer: NodeJS.Timeout | undefined;
	#ended = false;

	constructor(readonly attempt: Attempt) {
		this.#engine.hold();
	}

	tryNext(): void {
		const address = this.attempt.addresses[this.#errors.length];
		if (this.#ended || !address) {
			this.#finish(() => {
				this.attempt.onFailed(joinErrors(this.#errors));
			});
			return;
		}

		const id = this.#engine.calls.create(address.family);
		if (id < 0) {
			this.#fail(id, 'connect', address);
			return;
		}

		this.#id = id;
		if (this.#bind(id, address)) {
			this.#connect(id, address);
		}
	}

	end(): void {
		if (!this.#ended) {
			this.#ended = true;
			this.#engine.release();
			this.#drop();
		}
	}

	#bind(id: number, {family}: Address): boolean {
		const {localAddress, localPort = 0} = this.attempt;
		if (localAddress === undefined && localPort === 0) {
			return true;
		}

		const address = localAddress ?? (family === 6 ? '::' : '0.0.0.0');
		const errno = this.#engine.calls.bind(id, address, localPort, false);
		if (errno < 0) {
			this.#fail(errno, 'bind', {address, port: localPort});
		}

		return errno === 0;
	}

	#connect(id: number, address: Address): void {
		const look = () => {
			this.#decide(id, address);
		};

		this.#engine.watch(id, {
			onReady: look,
			onTurn: look,
		});
		const errno = this.#engine.calls.connect(id, address.address, this.attempt.port);
		if (errno < 0) {
			this.#fail(errno, 'connect', address);
		} else if (this.#errors.length + 1 < this.attempt.addresses.length) {
			this.#timer = setTimeout(() => {
				this.#fail(-constants.errno.ETIMEDOUT, 'connect', address);
			}, this.attempt.patience);
		}
	}

	#decide(id: number, address: Address): void {
		const errno = this.#engine.calls.connected(id);
		if (errno === -constants.errno.EAGAIN) {
			return;
		}

		if (errno < 0) {
			this.#fail(errno, 'connect', address);
			return;
		}

		this.#id = undefined;
		this.#finish(() => {
			this.attempt.onConnected(id);
		});
	}

	#fail(errno: number, syscall: string, {address, port = this.attempt.port}: {readonly address: string; readonly port?: number}): void {
		this.#drop();
		this.#errors.push(systemError(errno, syscall, {address, port}));
		this.tryNext();
	}

	#finish(tell: () => void): void {
		if (!this.#ended) {
			clearTimeout(this.#timer);
			this.#resource.runInAsyncScope(tell);
			this.end();
		}
	}

	/** What was begun. */
	#drop(): void {
		clearTimeout(this.#timer);
		if (this.#id !== undefined) {
			this.#engine.close(this.#id);
			this.#id = undefined;
		}
	}
}
