/** All connections in a few numbers. */
import {type Reason} from '../../native.js';
import {formatBytes} from '../format-report.js';
import {type LiveConnection, type Snapshot} from './take-snapshot.js';

type Traffic = {readonly sentBytes: number; readonly receivedBytes: number; readonly shmBytes: number; readonly sentMessages: number; readonly receivedMessages: number};

export type Summary = {
	readonly processes: number;
	/** Both ends on this host count as two. */
	readonly connections: number;
	readonly promoted: number;
	/** How many have which: only those that occur. */
	readonly transports: Readonly<Record<string, number>>;
	readonly reasons: Readonly<Record<string, number>>;
	readonly programs: Readonly<Record<string, {readonly connections: number; readonly promoted: number}>>;
	/** Of open connections, and of those that ended in processes that still live. */
	readonly open: Traffic;
	readonly ended: Traffic & {readonly connections: number; readonly promoted: number};
	readonly sleeps: number;
	readonly spins: number;
	readonly dropped: number;
};

export function summarize({processes, connections}: Pick<Snapshot, 'processes' | 'connections'>): Summary {
	const total = (value: (process: Snapshot['processes'][number]) => number): number => processes.reduce((sum, process) => sum + value(process), 0);
	const traffic = (kind: 'open' | 'ended'): Traffic => ({
		sentBytes: total(process => process[kind].sendBytes), receivedBytes: total(process => process[kind].recvBytes),
		shmBytes: total(process => process[kind].shmSendBytes + process[kind].shmRecvBytes),
		sentMessages: total(process => process[kind].sendCalls), receivedMessages: total(process => process[kind].recvCalls),
	});
	return {
		processes: processes.length,
		connections: connections.length,
		promoted: connections.filter(({isPromoted}) => isPromoted).length,
		transports: count(connections, ({transport}) => transport),
		reasons: count(connections, ({reason}) => reason),
		programs: Object.fromEntries(Object.entries(count(connections, ({program}) => program)).map(([program, number]) =>
			[program, {connections: number, promoted: connections.filter(connection => connection.program === program && connection.isPromoted).length}])),
		open: traffic('open'),
		ended: {...traffic('ended'), connections: total(({ended}) => ended.connections), promoted: total(({ended}) => ended.promoted)},
		sleeps: total(({open, ended}) => open.sleeps + ended.sleeps),
		spins: total(({open, ended}) => open.spins + ended.spins),
		dropped: total(({dropped}) => dropped),
	};
}

/** The most frequent first. */
function count(connections: readonly LiveConnection[], key: (connection: LiveConnection) => string): Record<string, number> {
	const counts = new Map<string, number>();
	for (const connection of connections) {
		counts.set(key(connection), (counts.get(key(connection)) ?? 0) + 1);
	}

	return Object.fromEntries([...counts].toSorted(([, a], [, b]) => b - a));
}

export function formatSummary(summary: Summary, reasons: readonly Reason[]): string {
	const {processes, connections, promoted, transports, programs, open, ended, sleeps, spins, dropped} = summary;
	const list = (counts: Readonly<Record<string, number>>): string => Object.entries(counts).map(([name, number]) => `${number} ${name}`).join(', ') || 'none';
	const share = ({sentBytes, receivedBytes, shmBytes}: Traffic): string => sentBytes + receivedBytes === 0 ? '' : `, ${Math.min(100, shmBytes / (sentBytes + receivedBytes) * 100).toFixed(1)} % through shared memory`;
	const describe = (traffic: Traffic): string => `sent ${formatBytes(traffic.sentBytes)} in ${traffic.sentMessages} messages, received ${formatBytes(traffic.receivedBytes)} in ${traffic.receivedMessages}${share(traffic)}`;
	return [
		`${processes} ${processes === 1 ? 'process' : 'processes'}, ${connections} open connection ${connections === 1 ? 'end' : 'ends'}, ${promoted} promoted`,
		`transports: ${list(transports)}`,
		`programs: ${list(Object.fromEntries(Object.entries(programs).map(([name, {connections: number}]) => [name, number])))}`,
		`open: ${describe(open)}`,
		`ended: ${ended.connections}, ${ended.promoted} promoted: ${describe(ended)}`,
		`waits while promoted: ${sleeps} slept, ${spins} spins paid`,
		...(dropped > 0 ? [`${dropped} connections found no room in the tables`] : []),
		...Object.entries(summary.reasons).map(([code, number]) => {
			const row = reasons.find(reason => reason.code === code);
			return `${code} (${number}): ${row ? `${row.text} ${row.remedy}` : 'The library is of another version.'}`;
		}),
	].join('\n');
}
