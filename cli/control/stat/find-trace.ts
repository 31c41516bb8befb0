/** The flight recorder of a living process, or what a dead one left in a file or a core. */
import {readdirSync, statSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import process from 'node:process';
import {type Native, type Reason, type Trace, type TraceEvent} from '../../native.js';
import {CliError} from '../cli-error.js';
import {openMemory} from './memory.js';
import {readTraceBytes} from './read-area.js';
import {listPids, proc} from './read-process.js';
import {formatNs} from './take-snapshot.js';

/** What --json shows of an event. */
export type Event = {
	readonly time: string;
	/** The same in nanoseconds since 1970. */
	readonly timeNs: string;
	readonly pid: number;
	readonly fd: number;
	readonly localPort: number;
	readonly peerPort: number;
	readonly kind: TraceEvent['kind'];
	/** What the reason was then. */
	readonly reason: string;
	/** The name of an errno, or empty: of a call that failed, or behind a refusal. */
	readonly error: string;
	/** opened: 1 if accepted; send-shm, recv-shm: the position at which the bytes left TCP; closed: bytes that it moved. */
	readonly value: number;
	/** Which connection, with pid: as in the list of connections. */
	readonly openedNs: string;
};

export type EventLog = {
	readonly pid: number;
	readonly program: string;
	readonly since: string;
	/** Events that were ever recorded; only the last ones are kept. */
	readonly total: number;
	readonly events: readonly Event[];
};

const pageSize = 4096;
const chunkSize = 256 * pageSize;

/** The traces that a process can reach: its own, and its parent's if it was forked. Empty: it made no connection. */
function readProcessTraces(pid: number, native: Native, root = proc): EventLog[] {
	const reasons = native.reasons();
	return readTraceBytes(pid, native, root).flatMap(bytes => describeTrace(native.traceRead(bytes), reasons));
}

/** The traces in a file that RSOCKET_TRACE named, or in a core. */
export function readFileTraces(file: string, native: Native): EventLog[] {
	const memory = statSync(file, {throwIfNoEntry: false})?.isFile() ? openMemory(file) : undefined;
	if (!memory) {
		throw new CliError(`${file} is no file that can be read`, {code: 'no-file', remedy: 'Give the pid of a process, a file that RSOCKET_TRACE named, or a core.'});
	}

	const reasons = native.reasons();
	const {traceSize} = native.statsLayout;
	const logs: EventLog[] = [];
	try {
		for (let base = 0; ; base += chunkSize) {
			// What begins at the end of this piece is read whole.
			const bytes = memory.read(base, chunkSize + traceSize);
			for (let at = 0; at < Math.min(chunkSize, bytes.length); at += pageSize) {
				logs.push(...describeTrace(native.traceRead(bytes.subarray(at, at + traceSize)), reasons));
			}

			if (bytes.length <= chunkSize) {
				break;
			}
		}
	} finally {
		memory.close();
	}

	if (logs.length === 0) {
		throw new CliError(`${file} holds no trace of this version`, {code: 'no-trace', remedy: 'Start the program with RSOCKET_TRACE=FILE, or give a core that has shared memory in it (bit 1 of /proc/PID/coredump_filter).'});
	}

	return logs;
}

function describeTrace(trace: Trace | undefined, reasons: readonly Reason[]): EventLog[] {
	return trace
		? [{
			pid: trace.pid, program: trace.program, since: formatNs(trace.startedNs), total: trace.total,
			events: trace.events.map(({timeNs, openedNs, reason, pid, fd, localPort, peerPort, kind, error, value}) => ({
				time: formatNs(timeNs), timeNs: String(timeNs), pid, fd, localPort, peerPort, kind,
				reason: reasons[reason]?.code ?? `reason ${reason}`, error, value, openedNs: String(openedNs),
			})),
		}]
		: [];
}

/** Of a living process, or of a dead one that left a file in one of the directories; throws when there is none that we may read. */
export function requireProcessTraces(pid: number, native: Native, directories: readonly string[] = [], root = proc): EventLog[] {
	const living = readProcessTraces(pid, native, root);
	const logs = living.length > 0 || listPids(root).includes(pid) ? living : findDeadTraces(pid, directories, native);
	if (logs.length > 0) {
		return logs;
	}

	if (listPids(root).includes(pid)) {
		throw new CliError(`process ${pid} shows no trace`, {code: 'no-trace', remedy: 'rsstat lists processes with connections under the toolkit. Those of other users are shown to root only.'});
	}

	throw new CliError(`there is no process ${pid}, and no file of its trace in ${directories.join(', ')}`, {
		code: 'no-trace',
		remedy: 'If it was started with rsrun --trace FILE (RSOCKET_TRACE), give that file: rsstat trace FILE.PID; or give its core. If not, start it with rsrun --trace=FILE next time: FILE.PID outlives it.',
	});
}

/** Where people put such files. */
export function traceDirectories({RSOCKET_TRACE: trace = ''}: Readonly<Record<string, string | undefined>>): string[] {
	return [...new Set([...(trace === '' ? [] : [path.dirname(path.resolve(trace))]), process.cwd(), tmpdir(), '/var/tmp', '/tmp'])];
}

/** Of a dead process: the file that --trace made for it, where it is in one of the directories. */
function findDeadTraces(pid: number, directories: readonly string[], native: Native): EventLog[] {
	const files = directories.flatMap(directory => listFiles(directory).filter(name => new RegExp(String.raw`(?:^|\D)${pid}(?:\D|$)`).test(name)).map(name => path.join(directory, name)));
	for (const file of files.filter(name => statSync(name, {throwIfNoEntry: false})?.isFile())) {
		try {
			const logs = readFileTraces(file, native).filter(log => log.pid === pid);
			if (logs.length > 0) {
				return logs;
			}
		} catch {
			// Another file with that number in its name.
		}
	}

	return [];
}

function listFiles(directory: string): string[] {
	try {
		return readdirSync(directory);
	} catch {
		return [];
	}
}

/** The events of one connection, oldest first; a child's may have been opened by its parent. */
export function findStory(pid: number, openedNs: string, native: Native, root = proc): Event[] {
	return readProcessTraces(pid, native, root).flatMap(log => log.events).filter(event => event.openedNs === openedNs)
		.toSorted((a, b) => Number(BigInt(a.timeNs) - BigInt(b.timeNs)));
}
