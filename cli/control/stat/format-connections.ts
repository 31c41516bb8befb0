/** Connections as a table: one line each. */
import {formatBytes} from '../format-report.js';
import {formatTable} from '../format-table.js';
import {type Paint, type Style} from '../tool/paint.js';
import {type LiveConnection} from './take-snapshot.js';

const columns = ['PID', 'PROGRAM', 'FD', 'LOCAL', 'PEER', 'STATE', 'TRANSPORT', 'REASON', 'AGE', 'SENT', 'RECEIVED', 'MSGS OUT', 'MSGS IN', 'WAKES', 'SPINS'];
const right = new Set(['PID', 'FD', 'AGE', 'SENT', 'RECEIVED', 'MSGS OUT', 'MSGS IN', 'WAKES', 'SPINS']);

/** The head, then a line each. */
export function formatConnections(connections: readonly LiveConnection[], paint: Paint): string[] {
	const [head = '', ...lines] = formatTable(columns, connections.map(connection => row(connection)), right);
	return [paint('bold', head), ...lines.map((line, index) => {
		const style = styleOf(connections[index]?.transport ?? '');
		return style === undefined ? line : paint(style, line);
	})];
}

function row(connection: LiveConnection): string[] {
	const {pid, program, fd, local, peer, state, transport, reason, ageSeconds, send, recv, sleeps, spins} = connection;
	return [
		String(pid), cleanText(program), String(fd), local, peer, state, transport, reason, formatAge(ageSeconds),
		formatBytes(send.bytes), formatBytes(recv.bytes), String(send.calls), String(recv.calls), String(sleeps), String(spins),
	];
}

/** A program chooses its name: it must not speak to the terminal. */
export function cleanText(text: string): string {
	return text.replaceAll(/\p{Cc}/gu, '?');
}

function styleOf(transport: string): Style | undefined {
	return transport === 'tcp' ? undefined : (transport.includes('/') ? 'yellow' : 'green');
}

/** `4.2s`, `3m10s`, `5h02m`, `12d`. */
export function formatAge(seconds: number): string {
	const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
	if (seconds < 60) {
		return `${seconds.toFixed(1)}s`;
	}

	if (seconds < 3600) {
		return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
	}

	return seconds < 48 * 3600 ? `${Math.floor(seconds / 3600)}h${two(seconds % 3600 / 60)}m` : `${Math.floor(seconds / 86_400)}d`;
}
