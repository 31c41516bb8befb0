/** A server of rsockets that behaves as `net.Server` does. */
import {EventEmitter} from 'node:events';
import process from 'node:process';
import {type SocketName} from '../../native.js';
import {getEngine} from './engine.js';
import {codedError} from './errors.js';
import {findAddresses} from './find-addresses.js';
import {Listener, openListener} from './listener.js';
import {normalizeListen, type ListenArguments, type ServerOptions} from './options.js';
import {adopt, Socket} from './socket.js';

/** What the `drop` event tells. */
export type Dropped = {
	readonly localAddress: string | undefined;
	readonly localPort: number | undefined;
	readonly localFamily: 'IPv4' | 'IPv6' | undefined;
	readonly remoteAddress: string | undefined;
	readonly remotePort: number | undefined;
	readonly remoteFamily: 'IPv4' | 'IPv6' | undefined;
};

/**
What `net.Server` is, over rsockets. Events: `listening`, `connection`, `drop`, `error`, `close`.

@example
```
const server = rsocket.createServer(socket => socket.pipe(socket));
server.listen(7000, '127.0.0.1', () => console.log(server.address()));
```
*/
export class Server extends EventEmitter { // eslint-disable-line unicorn/prefer-event-target -- as net.Server is
	/** More connections than that are closed at once, and are a `drop` event each. */
	maxConnections: number | undefined;
	readonly #options: ServerOptions;
	#listener: Listener | undefined;
	#name: SocketName | undefined;
	#starting = false;
	#referenced = true;
	#connections = 0;

	constructor(options: ServerOptions = {}, connectionListener?: (socket: Socket) => void) {
		super();
		this.#options = options;
		if (connectionListener) {
			this.on('connection', connectionListener);
		}
	}

	get listening(): boolean {
		return this.#listener !== undefined;
	}

	/** Throws for a wrong port, for a server that listens, and a CliError where librsocket.so is missing; all else is an `error` event. */
	listen(...args: ListenArguments): this {
		const {options, listener} = normalizeListen(args);
		const {port, host, backlog = 511, ipv6Only = false, signal} = options;
		if (this.listening || this.#starting) {
			throw codedError('ERR_SERVER_ALREADY_LISTEN', 'Listen method has been called more than once without closing.');
		}

		getEngine();
		if (listener) {
			this.once('listening', listener);
		}

		signal?.addEventListener('abort', () => {
			this.close();
		}, {once: true});
		if (signal?.aborted) {
			process.nextTick(() => this.emit('close'));
			return this;
		}

		if (host === undefined) {
			this.#start([{address: '::', family: 6}, {address: '0.0.0.0', family: 4}], {port, backlog, ipv6Only});
			return this;
		}

		this.#starting = true;
		findAddresses({host}, (error, addresses) => {
			if (this.#starting && error) {
				this.#starting = false;
				this.#fail(error);
			} else if (this.#starting) {
				this.#start(addresses.slice(0, 1), {port, backlog, ipv6Only});
			}
		});
		return this;
	}

	/** No more connections; `close` when the last of those that there are has ended. `listener` gets an error if it did not listen. */
	close(listener?: (error?: Error) => void): this {
		if (listener) {
			const wasOpen = this.listening || this.#starting;
			this.once('close', () => {
				listener(wasOpen ? undefined : codedError('ERR_SERVER_NOT_RUNNING', 'Server is not running.'));
			});
		}

		this.#starting = false;
		this.#listener?.close();
		this.#listener = undefined;
		this.#closeIfDrained();
		return this;
	}

	/** Null: it does not listen. */
	address(): SocketName | null {
		return this.#listener ? this.#name ?? null : null;
	}

	getConnections(callback: (error: Error | null, count: number) => void): this {
		process.nextTick(callback, null, this.#connections);
		return this;
	}

	/** Listening keeps the process going again. */
	ref(): this {
		return this.#refer(true);
	}

	/** Listening does not keep the process going. */
	unref(): this {
		return this.#refer(false);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		if (this.listening) {
			await new Promise<void>(resolve => {
				this.close(() => {
					resolve();
				});
			});
		}
	}

	#start(...[addresses, where]: Parameters<typeof openListener>): void {
		this.#starting = false;
		const opened = openListener(addresses, where);
		if (!(opened instanceof Listener)) {
			this.#fail(opened);
			return;
		}

		this.#listener = opened;
		this.#name = opened.name;
		opened.referenced = this.#referenced;
		opened.start(id => {
			this.#accept(id);
		});
		process.nextTick(() => {
			if (this.#listener === opened) {
				this.emit('listening');
			}
		});
	}

	#accept(id: number): void {
		const {allowHalfOpen, highWaterMark, ...options} = this.#options;
		const socket = new Socket({allowHalfOpen, highWaterMark});
		socket[adopt](id, options);
		if (this.maxConnections !== undefined && this.#connections >= this.maxConnections) {
			const {localAddress, localPort, localFamily, remoteAddress, remotePort, remoteFamily} = socket;
			socket.destroy();
			this.emit('drop', {localAddress, localPort, localFamily, remoteAddress, remotePort, remoteFamily} satisfies Dropped);
			return;
		}

		this.#connections++;
		socket.once('close', () => {
			this.#connections--;
			this.#closeIfDrained();
		});
		this.emit('connection', socket);
	}

	#closeIfDrained(): void {
		if (!this.#listener && !this.#starting && this.#connections === 0) {
			process.nextTick(() => this.emit('close'));
		}
	}

	#fail(error: Error): void {
		process.nextTick(() => this.emit('error', error));
	}

	#refer(referenced: boolean): this {
		this.#referenced = referenced;
		if (this.#listener) {
			this.#listener.referenced = referenced;
		}

		return this;
	}
}
