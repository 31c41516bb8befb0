/** A stream over an rsocket that behaves as `net.Socket` does. */
import {getDefaultAutoSelectFamilyAttemptTimeout} from 'node:net';
import {type SocketName} from '../../native.js';
import {describeCarrier, type Carrier} from './carrier.js';
import {connectAny, type Address} from './connect-any.js';
import {ConnectionStream} from './connection-stream.js';
import {getEngine} from './engine.js';
import {codedError} from './errors.js';
import {findAddresses} from './find-addresses.js';
import {normalizeConnect, type ConnectArguments, type ConnectOptions, type TcpOptions} from './options.js';

/** For servers: gives a new socket its rsocket. */
export const adopt = Symbol('adopt');

/**
What `net.Socket` is, over an rsocket: a `stream.Duplex` with the same methods, properties, events and errors. Where the other end is one too, or runs
under rsrun(1), on this host, the bytes go through shared memory; any other TCP program can be the other end as well.

Events: `lookup`, `connect`, `ready`, `data`, `end`, `drain`, `timeout`, `error`, `close` (with whether there was an error).

@example
```
const socket = rsocket.createConnection({port: 6379, host: 'localhost'});
socket.setEncoding('utf8').on('data', console.log);
socket.end('PING\r\n');
```
*/
export class Socket extends ConnectionStream {
	/** As they were when first asked for: they stay when the connection is gone. */
	readonly #names: {local?: SocketName; remote?: SocketName} = {};
	readonly #tcp: {noDelay?: boolean; keepAlive?: boolean; keepAliveInitialDelay?: number} = {};

	get bufferSize(): number {
		return this.writableLength;
	}

	/** In ms, as set by `setTimeout`. */
	get timeout(): number | undefined {
		return this.idle.timeout;
	}

	get localAddress(): string | undefined {
		return this.#name('local')?.address;
	}

	get localPort(): number | undefined {
		return this.#name('local')?.port;
	}

	get localFamily(): 'IPv4' | 'IPv6' | undefined {
		return this.#name('local')?.family;
	}

	get remoteAddress(): string | undefined {
		return this.#name('remote')?.address;
	}

	get remotePort(): number | undefined {
		return this.#name('remote')?.port;
	}

	get remoteFamily(): 'IPv4' | 'IPv6' | undefined {
		return this.#name('remote')?.family;
	}

	/** Of this end; empty while there is none. */
	address(): SocketName | Record<string, never> {
		return this.#name('local') ?? {};
	}

	/**
	What carries the connection now, and why. Undefined while it is not connected, and when it was destroyed.

	A connection begins on TCP and changes over while it is used: ask when bytes have gone both ways.

	@example
	```
	console.log(socket.carrier()); // {send: 'shm', recv: 'shm', reason: 'promoted', ...}
	```
	*/
	carrier(): Carrier | undefined {
		const record = this.connection && getEngine().calls.carrier(this.connection.id);
		return typeof record === 'object' ? describeCarrier(record) : undefined;
	}

	/** Throws a RangeError for a wrong port, and a CliError where librsocket.so is missing; all else is an `error` event. */
	connect(...args: ConnectArguments): this {
		const {options, listener} = normalizeConnect(args);
		getEngine();
		if (listener) {
			this.once('connect', listener);
		}

		this.#configure(options);
		if (options.timeout !== undefined) {
			this.setTimeout(options.timeout);
		}

		this.connecting = true;
		const {host = 'localhost'} = options;
		findAddresses({...options, host}, (error, addresses) => {
			if (!this.connecting) {
				return;
			}

			if (error) {
				this.emit('lookup', error, undefined, undefined, host);
				this.destroy(error);
				return;
			}

			for (const {address, family} of addresses) {
				this.emit('lookup', null, address, family, host);
			}

			this.#connectTo(addresses, options);
		});
		return this;
	}

	/** `timeout` events after that many ms without traffic; 0: none. The socket is not closed. */
	setTimeout(timeout: number, listener?: () => void): this {
		this.idle.set(timeout, listener);
		return this;
	}

	/** Small writes go at once. Nothing waits anyway where shared memory carries them. */
	setNoDelay(noDelay = true): this {
		this.#tcp.noDelay = noDelay;
		if (this.connection) {
			getEngine().calls.noDelay(this.connection.id, noDelay);
		}

		return this;
	}

	/** `initialDelay`: ms without traffic before the first probe; 0: as the system has it. */
	setKeepAlive(enable = false, initialDelay = 0): this {
		Object.assign(this.#tcp, {keepAlive: enable, keepAliveInitialDelay: initialDelay});
		if (this.connection) {
			getEngine().calls.keepAlive(this.connection.id, enable, Math.floor(initialDelay / 1000));
		}

		return this;
	}

	/** Reading keeps the process going again. */
	ref(): this {
		return this.#refer(true);
	}

	/** Reading does not keep the process going. */
	unref(): this {
		return this.#refer(false);
	}

	/** Ends it, and destroys it when all is written. */
	destroySoon(): void {
		if (this.writable) {
			this.end();
		}

		if (this.writableFinished) {
			this.destroy();
		} else {
			this.once('finish', () => {
				this.destroy();
			});
		}
	}

	/** The peer gets ECONNRESET. */
	resetAndDestroy(): this {
		if (this.connection) {
			this.resetting = true;
			return this.destroy();
		}

		if (this.connecting) {
			return this.once('connect', () => {
				this.resetAndDestroy();
			});
		}

		return this.destroy(codedError('ERR_SOCKET_CLOSED', 'Socket is closed'));
	}

	[adopt](id: number, {pauseOnConnect = false, ...options}: TcpOptions & {readonly pauseOnConnect?: boolean | undefined}): void {
		this.attach(id);
		this.#configure(options);
		if (pauseOnConnect) {
			this.pause();
		} else {
			this.read(0);
		}
	}

	#connectTo(addresses: readonly Address[], {port, localAddress, localPort, autoSelectFamilyAttemptTimeout: patience = getDefaultAutoSelectFamilyAttemptTimeout()}: ConnectOptions): void {
		this.cancelConnect = connectAny({
			addresses, port, localAddress, localPort, patience,
			onConnected: id => {
				this.connecting = false;
				this.attach(id);
				this.#applyTcp(id);
				this.emit('connect');
				this.emit('ready');
				if (this.readable && !this.isPaused()) {
					this.read(0);
				}
			},
			onFailed: error => {
				this.destroy(error);
			},
		});
	}

	#configure({noDelay, keepAlive, keepAliveInitialDelay}: TcpOptions): void {
		if (noDelay !== undefined) {
			this.setNoDelay(noDelay);
		}

		if (keepAlive !== undefined) {
			this.setKeepAlive(keepAlive, keepAliveInitialDelay);
		}
	}

	#applyTcp(id: number): void {
		const {noDelay, keepAlive, keepAliveInitialDelay = 0} = this.#tcp;
		if (noDelay) {
			getEngine().calls.noDelay(id, true);
		}

		if (keepAlive) {
			getEngine().calls.keepAlive(id, true, Math.floor(keepAliveInitialDelay / 1000));
		}
	}

	#refer(referenced: boolean): this {
		this.referenced = referenced;
		if (this.connection) {
			this.connection.referenced = referenced;
		}

		return this;
	}

	#name(which: 'local' | 'remote'): SocketName | undefined {
		if (this.connection && !this.#names[which]) {
			const name = getEngine().calls.name(this.connection.id, which === 'remote');
			if (typeof name === 'object') {
				this.#names[which] = name;
			}
		}

		return this.#names[which];
	}
}
