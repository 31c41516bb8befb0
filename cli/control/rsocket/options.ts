/** What sockets and servers take, named as Node's `net` names it. */
import {type LookupFunction} from 'node:net';
import {checkPort} from './errors.js';

export type SocketOptions = {
	/** False: when the peer has ended, this end is ended too. Default: false. */
	readonly allowHalfOpen?: boolean | undefined;
	/** Destroys the socket when it is aborted. */
	readonly signal?: AbortSignal | undefined;
	/** Bytes that may be buffered each way before back-pressure. Default: that of Node's streams. */
	readonly highWaterMark?: number | undefined;
};

/** Of the connections. */
export type TcpOptions = {
	readonly noDelay?: boolean | undefined;
	readonly keepAlive?: boolean | undefined;
	/** In ms. */
	readonly keepAliveInitialDelay?: number | undefined;
};

export type ConnectOptions = SocketOptions & TcpOptions & {
	readonly port: number;
	/** A name or an address. Default: localhost. */
	readonly host?: string | undefined;
	/** 4 or 6: only such addresses. */
	readonly family?: number | undefined;
	readonly localAddress?: string | undefined;
	readonly localPort?: number | undefined;
	/** As by `setTimeout`, in ms. */
	readonly timeout?: number | undefined;
	/** Default: `dns.lookup`. */
	readonly lookup?: LookupFunction | undefined;
	/** Of `dns.lookup`. */
	readonly hints?: number | undefined;
	/** How long one of several addresses may take before the next is tried, in ms. Default: that of `net`. */
	readonly autoSelectFamilyAttemptTimeout?: number | undefined;
};

export type ServerOptions = TcpOptions & {
	/** Of the connections, as the next two. */
	readonly allowHalfOpen?: boolean | undefined;
	readonly highWaterMark?: number | undefined;
	/** Connections are not read from until they are resumed. */
	readonly pauseOnConnect?: boolean | undefined;
};

export type ListenOptions = {
	/** 0 or none: any that is free. */
	readonly port?: number | undefined;
	/** A name or an address. Default: `::`, or `0.0.0.0` where there is no IPv6. */
	readonly host?: string | undefined;
	/** How many connections may wait to be accepted. Default: 511. */
	readonly backlog?: number | undefined;
	readonly ipv6Only?: boolean | undefined;
	/** Closes the server when it is aborted. */
	readonly signal?: AbortSignal | undefined;
};

export type ConnectArguments
	= | [options: ConnectOptions, listener?: (() => void) | undefined]
		| [port: number, listener?: (() => void) | undefined]
		| [port: number, host: string, listener?: (() => void) | undefined];

export type ListenArguments
	= | [listener?: (() => void) | undefined]
		| [options: ListenOptions, listener?: (() => void) | undefined]
		| [port: number, listener?: (() => void) | undefined]
		| [port: number, host: string, listener?: (() => void) | undefined]
		| [port: number, host: string | undefined, backlog: number, listener?: (() => void) | undefined];

type Normal<Options> = {readonly options: Options; readonly listener: (() => void) | undefined};

/** Throws Node's RangeError for a wrong port. */
export function normalizeConnect(args: ConnectArguments): Normal<ConnectOptions> {
	const {words, listener} = split(args);
	const [first, host] = words;
	const options = (isRecord(first) ? first : {port: first, host}) as ConnectOptions;
	return {options: {...options, port: checkPort(options.port)}, listener};
}

/** The same. */
export function normalizeListen(args: ListenArguments): Normal<ListenOptions & {readonly port: number}> {
	const {words, listener} = split(args);
	const [first, host, backlog] = words;
	const options = (isRecord(first) ? first : {port: first, host, backlog}) as ListenOptions;
	return {options: {...options, port: checkPort(options.port ?? 0)}, listener};
}

function split(args: readonly unknown[]): {readonly words: readonly unknown[]; readonly listener: (() => void) | undefined} {
	const listener = args.find(arg => typeof arg === 'function') as (() => void) | undefined;
	return {words: args.filter(arg => typeof arg !== 'function'), listener};
}

function isRecord(value: unknown): boolean {
	return typeof value === 'object' && value !== null;
}
