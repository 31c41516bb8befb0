/** Which connections the user wants to see. */
import {type Native, type Reason} from '../../native.js';
import {CliError} from '../cli-error.js';
import {findNearest} from '../find-nearest.js';
import {type ValueTable} from '../tool/tool.js';
import {listPids, proc} from './read-process.js';
import {takeSnapshot, type LiveConnection, type Snapshot} from './take-snapshot.js';

/** Of each list, one must fit; an empty one fits all. */
export type Filter = {
	readonly pids: readonly number[];
	readonly ports: readonly number[];
	readonly transports: readonly string[];
	readonly reasons: readonly string[];
};

const transports = ['shm', 'verbs', 'tcp'] as const;

export const filterOptions = {
	pid: {type: 'string', array: true, requiresArg: true, describe: 'Only connections of this process; may be repeated, as all filters'},
	port: {type: 'string', array: true, requiresArg: true, describe: 'Only connections with this port at either end'},
	transport: {type: 'string', array: true, requiresArg: true, choices: transports, describe: 'Only connections that this carries, in either direction'},
	reason: {type: 'string', array: true, requiresArg: true, describe: 'Only connections with this reason code'},
} as const;

/** What the shell may complete. */
export const filterValues: ValueTable = {
	pid: ({native}) => takeSnapshot(native).processes.map(({pid, program}) => `${pid}\t${program}`),
	port: ({native}) => [...new Set(takeSnapshot(native).connections.flatMap(({local, peer}) => [portOf(local), portOf(peer)]))].filter(port => port > 0).map(port => `${port}\t`),
	reason: ({native}) => native.reasons().map(({code, text}) => `${code}\t${text}`),
};

/** What can be seen of what the filter leaves: with a filter, of processes only those that have such connections. */
export function look(filter: Filter, native: Native, root = proc): Snapshot {
	// Nobody else is looked at.
	const snapshot = takeSnapshot(native, {pids: filter.pids.length === 0 ? undefined : filter.pids, root});
	const connections = selectConnections(snapshot.connections, filter);
	const isNarrow = filter.ports.length + filter.transports.length + filter.reasons.length > 0;
	return {...snapshot, connections, processes: isNarrow ? snapshot.processes.filter(({pid}) => connections.some(connection => connection.pid === pid)) : snapshot.processes};
}

/** The exit code after a look: warns of processes that were asked for and are not there. */
export function judgeLook({pids}: Filter, warn: (text: string) => void, root = proc): number {
	const there = listPids(root);
	const gone = pids.filter(pid => !there.includes(pid));
	for (const pid of gone) {
		warn(`there is no process ${pid}`);
	}

	return gone.length === 0 ? 0 : 1;
}

/** Throws for what cannot fit anything. */
export function parseFilter(args: Readonly<Record<string, unknown>>, reasons: readonly Reason[]): Filter {
	const list = (name: string): string[] => ((args[name] ?? []) as string[]);
	const codes = reasons.map(({code}) => code);
	for (const code of list('reason')) {
		if (!codes.includes(code)) {
			const nearest = findNearest(code, codes);
			throw new CliError(`there is no reason ${code}`, {code: 'unknown-reason', remedy: nearest === undefined ? `Reasons: ${codes.join(', ')}.` : `Did you mean ${nearest}?`});
		}
	}

	return {
		pids: list('pid').map(text => parseNumber('pid', text, 1, 4_194_304)),
		ports: list('port').map(text => parseNumber('port', text, 1, 65_535)),
		transports: list('transport'),
		reasons: list('reason'),
	};
}

export function parseNumber(name: string, text: string, min: number, max: number): number {
	const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
	if (value >= min && value <= max) {
		return value;
	}

	throw new CliError(`--${name} ${text} is not a number from ${min} to ${max}`, {code: 'usage', remedy: `Give --${name} such a number.`});
}

function selectConnections(connections: readonly LiveConnection[], {pids, ports, transports: carriers, reasons}: Filter): LiveConnection[] {
	return connections.filter(({pid, local, peer, send, recv, reason}) =>
		(pids.length === 0 || pids.includes(pid))
		&& (ports.length === 0 || ports.some(port => portOf(local) === port || portOf(peer) === port))
		&& (carriers.length === 0 || carriers.includes(send.transport) || carriers.includes(recv.transport))
		&& (reasons.length === 0 || reasons.includes(reason)));
}

function portOf(end: string): number {
	return Number(end.slice(end.lastIndexOf(':') + 1));
}
