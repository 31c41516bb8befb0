/** The whole story of a connection in words: what carries it, why, what happened so far, what to do, and the same of its other end. */
import {type Reason} from '../../native.js';
import {formatBytes} from '../format-report.js';
import {type Paint} from '../tool/paint.js';
import {type OtherEnd} from './find-other-end.js';
import {type Event} from './find-trace.js';
import {cleanText, formatAge} from './format-connections.js';
import {describeEvent, formatTime} from './format-trace.js';
import {type LiveConnection} from './take-snapshot.js';

type End = {
	readonly connection: LiveConnection;
	/** Oldest first. */
	readonly events: readonly Event[];
};

export type Story = {
	readonly end: End;
	readonly other: OtherEnd;
	/** Only of an end that shows itself. */
	readonly otherEvents: readonly Event[];
};

/** Reasons of an end that only wait for, or go by, what the other end does. */
const waiting = new Set(['new', 'searching', 'peer-absent', 'promoted', 'remote']);

/** What to do about an end; undefined: its library is of another version. `other`: the other end's reason, where it shows itself. */
export function remedyOf({reason, isPromoted}: LiveConnection, other: OtherEnd, reasons: readonly Reason[]): string | undefined {
	const theirs = other.kind === 'visible' && !other.connection.isPromoted && !waiting.has(other.connection.reason) ? other.connection : undefined;
	const row = theirs && waiting.has(reason) && !isPromoted ? reasons.find(({code}) => code === theirs.reason) : undefined;
	return theirs && row
		? `The other end, ${cleanText(theirs.program)} (${theirs.pid}), refuses (${theirs.reason}): ${row.text} ${row.remedy}`
		: reasons.find(({code}) => code === reason)?.remedy;
}

const carriers: Readonly<Record<string, string>> = {shm: 'shared memory', tcp: 'kernel TCP', verbs: 'RDMA'};

export function formatStory({end, other, otherEvents}: Story, reasons: readonly Reason[], paint: Paint): string {
	return [
		...formatEnd(end, remedyOf(end.connection, other, reasons), reasons, paint),
		'',
		...(other.kind === 'visible' ? formatEnd({connection: other.connection, events: otherEvents}, remedyOf(other.connection, {kind: 'visible', connection: end.connection}, reasons), reasons, paint) : [describeOther(other)]),
	].join('\n');
}

function formatEnd({connection, events}: End, remedy: string | undefined, reasons: readonly Reason[], paint: Paint): string[] {
	const {pid, program, fd, role, local, peer, state, send, recv, ageSeconds, sleeps, spins, settingsLine} = connection;
	const row = reasons.find(({code}) => code === connection.reason);
	const first = events[0];
	return [
		paint('bold', `${cleanText(program)} (${pid}), descriptor ${fd}: ${local} ${role === 'accepted' ? 'accepted from' : 'connected to'} ${peer}, ${state}, open for ${formatAge(ageSeconds)}`),
		`  sent      ${formatBytes(send.bytes)} in ${send.calls} messages, now over ${carriers[send.transport] ?? send.transport}; ${formatBytes(send.shmBytes)} went through shared memory`,
		`  received  ${formatBytes(recv.bytes)} in ${recv.calls} messages, now over ${carriers[recv.transport] ?? recv.transport}; ${formatBytes(recv.shmBytes)} came through shared memory`,
		...(sleeps + spins > 0 ? [`  waits     ${sleeps} slept in the kernel, ${spins} ended while they still spun`] : []),
		...(settingsLine === undefined ? [] : [`  settings  some of its own, by line ${settingsLine} of the rules`]),
		`  reason    ${paint(connection.isPromoted ? 'green' : 'yellow', connection.reason)}: ${row?.text ?? 'the library is of another version'}`,
		`  remedy    ${remedy ?? 'Run one version.'}`,
		...(first
			? ['  events', ...events.map(event => `    ${formatTime(event.timeNs)}  +${formatDelay(first, event)}  ${describeEvent(event, reasons)}`)]
			: ['  events    none are known any more']),
	];
}

function formatDelay(first: Event, event: Event): string {
	const micros = Number((BigInt(event.timeNs) - BigInt(first.timeNs)) / 1000n);
	return micros < 1000 ? `${micros}us` : (micros < 1_000_000 ? `${(micros / 1000).toFixed(1)}ms` : formatAge(micros / 1_000_000));
}

function describeOther(other: Exclude<OtherEnd, {kind: 'visible'}>): string {
	switch (other.kind) {
		case 'process': {
			return `The other end is ${cleanText(other.program)} (${other.pid}), ${other.hasLibrary ? 'which has the library but shows nothing of this connection' : 'which runs without the toolkit: start it with rsrun too'}.`;
		}

		case 'hidden': {
			return 'The other end is a process of this host that only its user and root may look into.';
		}

		case 'elsewhere': {
			return 'The other end is not in this network namespace: on another host, in a container, behind a proxy, or gone.';
		}
	}
}
