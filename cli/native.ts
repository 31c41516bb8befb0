/** The addon, typed: the only place that knows build/Release/rsocket.node. */
import {createRequire} from 'node:module';
import {fileURLToPath} from 'node:url';
import {CliError} from './control/cli-error.js';
import {type Raw} from './control/raw.js';

/** One row of core/option.def. */
export type Option = {
	readonly name: string;
	readonly unit: string;
	readonly default: number;
	readonly min: number;
	readonly max: number;
	/** Names separated by `|` for an enum, else empty. */
	readonly values: string;
	/** A use rule can give it to the connections that it matches. */
	readonly isOfConnection: boolean;
	readonly help: string;
};

/** One row of core/reason.def. */
export type Reason = {
	readonly code: string;
	readonly text: string;
	readonly remedy: string;
};

/** One row of preload/calls.def or left_out.def. */
export type Call = {
	readonly name: string;
	/** `mapped`: ours; `kernel`: right as libc has it; `unseen`: connections that go through it stay on TCP. */
	readonly kind: 'mapped' | 'kernel' | 'unseen';
	/** Empty for mapped ones. */
	readonly why: string;
};

/** `struct stats_conn`: one connection as one process saw it. Sizes in bytes, times in ns since 1970 (0: never). */
export type ConnectionRecord = {
	readonly state: number;
	readonly pid: number;
	readonly fd: number;
	readonly reason: number;
	readonly sendTransport: number;
	readonly recvTransport: number;
	readonly family: number;
	readonly accepted: boolean;
	readonly localPort: number;
	readonly peerPort: number;
	readonly localAddr: Uint8Array;
	readonly peerAddr: Uint8Array;
	readonly openedNs: bigint;
	readonly promotedNs: bigint;
	readonly closedNs: bigint;
	readonly recvBytes: number;
	readonly sendBytes: number;
	readonly recvCalls: number;
	readonly sendCalls: number;
	readonly shmRecvBytes: number;
	readonly shmSendBytes: number;
	readonly sleeps: number;
	readonly spins: number;
	readonly program: string;
	/** Of the rules: the use rule that gave it settings of its own; 0: none. */
	readonly settingsLine: number;
};

/** Sums over connections: bytes, calls that moved some, sleeps in the kernel, waits that a spin ended. */
export type Totals = {
	readonly connections: number;
	readonly promoted: number;
	readonly recvBytes: number;
	readonly sendBytes: number;
	readonly recvCalls: number;
	readonly sendCalls: number;
	readonly shmRecvBytes: number;
	readonly shmSendBytes: number;
	readonly sleeps: number;
	readonly spins: number;
};

/** `struct stats_area`: what stands before the records that a living process shows; offsets and sizes in bytes. */
export type AreaHead = {
	/** As the process itself knows it. */
	readonly pid: number;
	readonly program: string;
	readonly startedNs: bigint;
	readonly recordsOffset: number;
	readonly recordsSize: number;
	readonly traceOffset: number;
	readonly traceSize: number;
	/** Connections that found no room. */
	readonly dropped: number;
	/** The files that have the records, or the trace, instead; or empty. */
	readonly report: string;
	readonly trace: string;
	readonly ended: Totals;
};

/** `struct trace_event`. */
export type TraceEvent = {
	/** Counted from 1. */
	readonly number: number;
	readonly timeNs: bigint;
	readonly openedNs: bigint;
	readonly kind: 'opened' | 'reason' | 'send-shm' | 'recv-shm' | 'send-returned' | 'recv-returned' | 'error' | 'reset' | 'closed' | 'unknown';
	/** An index into `reasons()`. */
	readonly reason: number;
	readonly pid: number;
	readonly fd: number;
	/** The name of an errno, or empty. */
	readonly error: string;
	readonly value: number;
	readonly localPort: number;
	readonly peerPort: number;
};

/** `struct trace_ring`: the last events, oldest first, of `total`. */
export type Trace = {
	readonly pid: number;
	readonly program: string;
	readonly startedNs: bigint;
	readonly total: number;
	readonly events: readonly TraceEvent[];
};

/** What the caller of rsrun gave it, and Node changed before any of our code ran. */
export type Inherited = {
	readonly ignoredSignals: readonly number[];
	readonly blockedSignals: readonly number[];
	readonly descriptors: readonly number[];
	/** Undefined: leave the limit as it is. */
	readonly openFilesSoft: number | undefined;
};

/** What the core makes of one line of rules; or why it makes nothing of it, and of which word, counted from 1. */
export type ParsedRule
	= | {readonly kind: 'none'}
		| {
			readonly kind: 'use';
			readonly program: string;
			readonly transport: string;
			readonly role: '*' | 'server' | 'client';
			/** `*`, `10.0.0.0/8`, `[::1]`. */
			readonly peer: string;
			/** 0 to 65535: any. */
			readonly portMin: number;
			readonly portMax: number;
			/** What its connections have of their own: `key=value` pairs, and the name of a profile. */
			readonly rest?: string;
			readonly profile?: string;
		}
	/** `rest`: `key=value` pairs, or the profile's name. */
		| {readonly kind: 'set' | 'profile'; readonly program: string; readonly rest: string}
		| {readonly kind?: undefined; readonly fault: string; readonly word: number};

export type ExitStatus = {readonly code: number} | {readonly signal: number};

/** One end's name. */
export type SocketName = {readonly address: string; readonly family: 'IPv4' | 'IPv6'; readonly port: number};

/** `struct rdma_carrier`; `reason` is an index into `reasons()`. */
export type CarrierRecord = {
	readonly send: 'tcp' | 'shm' | 'verbs';
	readonly recv: 'tcp' | 'shm' | 'verbs';
	readonly reason: number;
	readonly sendBytes: number;
	readonly recvBytes: number;
	readonly shmSendBytes: number;
	readonly shmRecvBytes: number;
};

/** Rsockets by number; numbers are never used again. Nothing blocks, nothing throws: what fails is a negative errno. Addresses are numeric. */
export type Rsockets = {
	create(family: 4 | 6): number;
	bind(id: number, address: string, port: number, ipv6Only: boolean): number;
	/** 0: under way; it is reported as writable when it is decided, and `connected` says how. */
	connect(id: number, address: string, port: number): number;
	/** -EAGAIN: not yet. */
	connected(id: number): number;
	listen(id: number, backlog: number): number;
	/** A number. -EAGAIN: the next is reported. */
	accept(id: number): number;
	/** 0: the end. -EAGAIN: more is reported. */
	receive(id: number, bytes: Uint8Array): number;
	/** Some of the bytes from `offset` of `chunks[first]` on. -EAGAIN: room is reported. */
	send(id: number, chunks: readonly Uint8Array[], first: number, offset: number): number;
	shutdown(id: number): number;
	/** `reset`: the peer is told by RST. */
	close(id: number, reset: boolean): void;
	name(id: number, peer: boolean): SocketName | number;
	noDelay(id: number, on: boolean): number;
	/** `idle`: seconds before the first probe; 0: the system's. */
	keepAlive(id: number, on: boolean, idle: number): number;
	carrier(id: number): CarrierRecord | number;
	/** Whether the event loop goes on for the sockets' sake; at first it does not. */
	hold(alive: boolean): void;
};

export type Native = {
	readonly statsLayout: {readonly areaName: string; readonly areaSize: number; readonly headSize: number; readonly traceSize: number};
	options(): Option[];
	/** The value, or the name of an errno: `ENOENT` (no such option), `EINVAL`, `ERANGE`. */
	optionParse(name: Raw, text: Raw): number | string;
	reasons(): Reason[];
	/** Two paths change places at once. Throws an Error with `code`. */
	exchange(one: Raw, other: Raw): void;
	/** Whether nobody else has the lock of the file, flock(2); it lasts until the descriptor is closed. Throws an Error with `code`. */
	lock(fd: number): boolean;
	ruleParse(line: Raw): ParsedRule;
	/** Whether `line` is a use rule for this connection; `port` is the one that the server listens on. */
	ruleMatches(line: Raw, program: Raw, isServer: boolean, peer: string, port: number): boolean;
	ruleProgramMatches(pattern: Raw, program: Raw): boolean;
	calls(): Call[];
	/** The RDMA devices that libibverbs knows, or why it cannot be opened. */
	verbsDevices(): {devices: string[]} | {error: string};
	/** Throws an Error with `code` when the file exists or has no room. */
	statsCreate(path: Raw, capacity: number): void;
	/** Up to `capacity` connections, and how many found no room in the file. */
	statsRead(path: Raw, capacity: number): {connections: ConnectionRecord[]; dropped: number};
	/** Undefined: these are not the first bytes of an area. */
	areaHead(bytes: Uint8Array): AreaHead | undefined;
	/** Those in use. */
	areaRecords(bytes: Uint8Array): ConnectionRecord[];
	/** Undefined: these bytes are no trace. */
	traceRead(bytes: Uint8Array): Trace | undefined;
	/**
	Opens librsocket.so, once a process, and starts the thread that watches its sockets, once a call. `onReady` gets `[id, events, id, events...]`,
	events as in epoll(7), and may look until -EAGAIN. Throws an Error that says why the library cannot be opened.
	*/
	rsockets(library: string, onReady: (ready: readonly number[]) => void): Rsockets;
	hasCapabilities(path: Raw): boolean;
	/** Replaces this process. Returns only by throwing an Error with `code`. */
	execve(path: Raw, argv: readonly Raw[], env: readonly Raw[], inherited: Inherited): never;
	/** Starts a child and blocks until it ends. Throws an Error with `code` when it cannot be started. */
	spawnWait(path: Raw, argv: readonly Raw[], env: readonly Raw[], inherited: Inherited): ExitStatus;
	/** Between these two, signals from other processes are for the child of `spawnWait`; early ones wait for it. */
	relayBegin(): void;
	relayEnd(): void;
	/** Ends this process by a signal; returns when that signal does not kill. */
	die(signal: number): void;
};

const releaseUrl = new URL('../../build/Release/', import.meta.url);

/** Where the library that programs preload is built. */
export const preloadLibrary = fileURLToPath(new URL('librspreload.so', releaseUrl));

/** The rsockets API, which the addon opens. */
export const rsocketLibrary = fileURLToPath(new URL('librsocket.so', releaseUrl));

export function loadNative(): Native {
	const path = fileURLToPath(new URL('rsocket.node', releaseUrl));
	try {
		return createRequire(import.meta.url)(path) as Native;
	} catch (error) {
		throw new CliError(`${path} cannot be loaded`, {code: 'not-built', cause: error, remedy: 'Run npm run build.'});
	}
}
