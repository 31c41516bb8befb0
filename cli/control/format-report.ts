/** The report as a table for people and as JSON for programs. */
import {type Reason} from '../native.js';
import {type Connection} from './describe-connection.js';
import {formatTable} from './format-table.js';

const columns = ['PID', 'PROGRAM', 'LOCAL', 'PEER', 'SEND', 'RECV', 'REASON', 'SENT', 'RECEIVED'];
const columnsRight = new Set(['PID', 'SENT', 'RECEIVED']);

/** `rowsMax` keeps a terminal readable; undefined: all. */
export function formatReport(connections: readonly Connection[], dropped: number, reasons: readonly Reason[], rowsMax?: number): string {
	const rows = connections.slice(0, rowsMax).map(({pid, program, local, peer, send, recv, reason}) =>
		[String(pid), program, local, peer, send.transport, recv.transport, reason, formatBytes(send.bytes), formatBytes(recv.bytes)]);
	const lines = rows.length === 0 ? [] : [...formatTable(columns, rows, columnsRight), ''];
	if (rows.length < connections.length) {
		lines.push(`(${connections.length - rows.length} more: --report=FILE writes all of them)`);
	}

	if (dropped > 0) {
		lines.push(`(${dropped} more found no room in the report)`);
	}

	return [...lines, summarize(connections), ...explain(connections, reasons)].map(line => `${line}\n`).join('');
}

export function formatReportJson(connections: readonly Connection[], dropped: number, reasons: readonly Reason[]): string {
	const promoted = connections.filter(({isPromoted}) => isPromoted).length;
	const used = reasons.filter(({code}) => connections.some(({reason}) => reason === code));
	const summary = {
		connections: connections.length, promoted, dropped, bytes: total(connections, 'bytes'), shmBytes: total(connections, 'shmBytes'),
	};
	return `${JSON.stringify({
		version: 1, summary, connections, reasons: used,
	}, undefined, '\t')}\n`;
}

function summarize(connections: readonly Connection[]): string {
	if (connections.length === 0) {
		return 'No TCP connection was made under the toolkit.';
	}

	const promoted = connections.filter(({isPromoted}) => isPromoted).length;
	const bytes = total(connections, 'bytes');
	const share = bytes === 0 ? 0 : total(connections, 'shmBytes') / bytes * 100;
	return `${connections.length} connection ${connections.length === 1 ? 'end' : 'ends'}: ${promoted} promoted, ${connections.length - promoted} on TCP. `
		+ `${formatBytes(bytes)} moved, ${share.toFixed(1)} % of them through shared memory.`;
}

function total(connections: readonly Connection[], what: 'bytes' | 'shmBytes'): number {
	return connections.reduce((sum, {send, recv}) => sum + send[what] + recv[what], 0);
}

/** Each reason of the connections that were not promoted, once, the most frequent one first. */
function explain(connections: readonly Connection[], reasons: readonly Reason[]): string[] {
	const counts = new Map<string, number>();
	for (const {reason, isPromoted} of connections) {
		if (!isPromoted) {
			counts.set(reason, (counts.get(reason) ?? 0) + 1);
		}
	}

	return [...counts].toSorted(([, countA], [, countB]) => countB - countA).map(([code, count]) => {
		const row = reasons.find(reason => reason.code === code);
		return `${code} (${count}): ${row ? `${row.text} ${row.remedy}` : 'The library is of another version.'}`;
	});
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function formatBytes(bytes: number): string {
	let value = bytes;
	let unit = 0;
	while (value >= 1024 && unit < units.length - 1) {
		value /= 1024;
		unit++;
	}

	return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ''}`;
}
