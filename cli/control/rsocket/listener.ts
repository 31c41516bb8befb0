/** A listening rsocket: accepts what there is, never more than a share of a turn of the event loop. */
import {AsyncResource} from 'node:async_hooks';
import {constants} from 'node:os';
import {type SocketName} from '../../native.js';
import {type Address} from './connect-any.js';
import {getEngine, type Watched} from './engine.js';
import {systemError, type SocketError} from './errors.js';

const {EAGAIN, EBADF, EAFNOSUPPORT, EADDRNOTAVAIL, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM} = constants.errno;

const acceptMax = 64;
/** How long to wait for what the process or the system ran out of, in ms. */
const retryDelay = 50;

export class Listener implements Watched {
	readonly #engine = getEngine();
	readonly #resource = new AsyncResource('RSOCKETSERVER');
	#onAccepted: ((id: number) => void) | undefined;
	#referenced = true;
	#closed = false;

	/** Owns the listening rsocket `id`. */
	constructor(readonly id: number) {
		this.#engine.hold();
		this.#engine.watch(id, this);
	}

	get name(): SocketName | undefined {
		const name = this.#engine.calls.name(this.id, false);
		return typeof name === 'object' ? name : undefined;
	}

	get referenced(): boolean {
		return this.#referenced;
	}

	set referenced(referenced: boolean) {
		if (!this.#closed && referenced !== this.#referenced) {
			this.#referenced = referenced;
			if (referenced) {
				this.#engine.hold();
			} else {
				this.#engine.release();
			}
		}
	}

	/** `onAccepted` owns the rsocket. */
	start(onAccepted: (id: number) => void): void {
		this.#onAccepted = onAccepted;
	}

	close(): void {
		if (!this.#closed) {
			this.referenced = false;
			this.#closed = true;
			this.#engine.close(this.id);
			this.#resource.emitDestroy();
		}
	}

	onReady(): void {
		this.onTurn();
	}

	onTurn(): void {
		for (let count = 0; !this.#closed; count++) {
			if (count === acceptMax) {
				this.#engine.schedule(this, this.#referenced);
				return;
			}

			const id = this.#engine.calls.accept(this.id);
			if (id >= 0) {
				this.#resource.runInAsyncScope(() => this.#onAccepted?.(id));
			} else if ([EMFILE, ENFILE, ENOBUFS, ENOMEM].includes(-id)) {
				// Nothing reports when there is one again.
				setTimeout(() => {
					this.onTurn();
				}, retryDelay).unref();
				return;
			} else if ([EAGAIN, EBADF, EINVAL].includes(-id)) {
				return;
			}
			// Others are of a connection that is gone.
		}
	}
}

/** Listens on the first of `addresses` whose family this host has; or why on none. */
export function openListener(addresses: readonly Address[], {port, backlog, ipv6Only}: {readonly port: number; readonly backlog: number; readonly ipv6Only: boolean}): Listener | SocketError {
	const {calls} = getEngine();
	let errno = -EAFNOSUPPORT;
	let failed: Address | undefined;
	for (const {address, family} of addresses) {
		const id = calls.create(family);
		errno = id < 0 ? id : calls.bind(id, address, port, ipv6Only && family === 6) || calls.listen(id, backlog);
		if (errno === 0) {
			return new Listener(id);
		}

		failed = {address, family};
		if (id >= 0) {
			calls.close(id, false);
		}

		if (errno !== -EAFNOSUPPORT && errno !== -EADDRNOTAVAIL && errno !== -EINVAL) {
			break;
		}
	}

	return systemError(errno, 'listen', failed && {address: failed.address, port});
}
