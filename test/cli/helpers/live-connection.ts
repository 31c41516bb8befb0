/** Connections and processes as a snapshot shows them. */
import {type LiveConnection, type LiveProcess} from '../../../cli/control/stat/take-snapshot.js';
import {type Totals} from '../../../cli/native.js';

const side = {transport: 'tcp', bytes: 0, shmBytes: 0, calls: 0} as const;

export function liveConnection(change: Partial<LiveConnection> = {}): LiveConnection {
	return {
		pid: 1, program: 'p', fd: 3, role: 'connected', local: '-', peer: '-', send: side, recv: side, reason: 'new', isPromoted: false, openedAt: undefined, promotedAt: undefined,
		sleeps: 0, spins: 0, state: '-', transport: 'tcp', ageSeconds: 1, openedNs: '1', ...change,
	};
}

export function makeTotals(change: Partial<Totals> = {}): Totals {
	return {connections: 0, promoted: 0, recvBytes: 0, sendBytes: 0, recvCalls: 0, sendCalls: 0, shmRecvBytes: 0, shmSendBytes: 0, sleeps: 0, spins: 0, ...change};
}

export function liveProcess(change: Partial<LiveProcess> = {}): LiveProcess {
	return {pid: 1, program: 'p', since: '', dropped: 0, open: makeTotals(), ended: makeTotals(), ...change};
}
