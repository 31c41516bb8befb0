/** Events in words. */
import {type Reason} from '../../native.js';
import {formatBytes} from '../format-report.js';
import {cleanText} from './format-connections.js';
import {type Event, type EventLog} from './find-trace.js';

export function formatLog({pid, program, since, total, events}: EventLog, reasons: readonly Reason[]): string {
	const lost = total - events.length;
	return [
		`${cleanText(program)} (${pid}), since ${since}: ${total} ${total === 1 ? 'event' : 'events'}${lost > 0 ? `, the last ${events.length} of which are known` : ''}`,
		...events.map(event => `${formatTime(event.timeNs)}  ${event.pid}:${event.fd}${ports(event)}  ${describeEvent(event, reasons)}`),
	].join('\n');
}

function ports({localPort, peerPort}: Event): string {
	return localPort === 0 ? '' : ` ${localPort}-${peerPort}`;
}

/** Local time of day, to the microsecond. */
export function formatTime(timeNs: string): string {
	const ns = BigInt(timeNs);
	const micros = String(ns / 1000n % 1_000_000n).padStart(6, '0');
	return `${new Date(Number(ns / 1_000_000n)).toTimeString().slice(0, 8)}.${micros}`;
}

export function describeEvent({kind, reason, error, value}: Event, reasons: readonly Reason[]): string {
	switch (kind) {
		case 'opened': {
			return value === 1 ? 'accepted' : 'connected, or began to';
		}

		case 'reason': {
			return `${reason}: ${reasons.find(({code}) => code === reason)?.text ?? 'of another version'}${error === '' ? '' : ` (${error})`}`;
		}

		case 'send-shm': {
			return `bytes to the peer go through shared memory, after ${value} on TCP`;
		}

		case 'recv-shm': {
			return `bytes from the peer come through shared memory, after ${value} on TCP`;
		}

		case 'send-returned': {
			return `bytes to the peer go over TCP again (${reason})`;
		}

		case 'recv-returned': {
			return `bytes from the peer come over TCP again (${reason})`;
		}

		case 'error': {
			return `a call failed: ${error}`;
		}

		case 'reset': {
			return `reset by the toolkit (${reason})`;
		}

		case 'closed': {
			return `closed after ${formatBytes(value)} (${reason})`;
		}

		case 'unknown': {
			return 'an event that only a newer version knows';
		}
	}
}
