import test from 'ava';
import {formatSummary, summarize} from '../../../../cli/control/stat/summarize.js';
import {liveConnection, liveProcess, makeTotals} from '../../helpers/live-connection.js';

const connection = liveConnection({reason: 'newer'});

test('nothing', t => {
	const summary = summarize({processes: [], connections: []});
	t.like(summary, {processes: 0, connections: 0, transports: {}, open: {sentBytes: 0}});
	t.regex(formatSummary(summary, []), /^0 processes, 0 open connection ends, 0 promoted\ntransports: none\nprograms: none\nopen: sent 0 B in 0 messages, received 0 B in 0\n/);
});

test('processes add up, and a reason of a newer version is shown', t => {
	const one = liveProcess({dropped: 2, open: makeTotals({sendBytes: 1024, shmSendBytes: 512, sleeps: 1}), ended: makeTotals({connections: 3, promoted: 1, recvBytes: 10, spins: 4})});
	const summary = summarize({processes: [one, {...one, pid: 2}], connections: [connection, {...connection, program: '__proto__', transport: 'shm', isPromoted: true}, connection]});
	t.like(summary, {processes: 2, connections: 3, promoted: 1, dropped: 4, sleeps: 2, spins: 8, open: {sentBytes: 2048, shmBytes: 1024}, ended: {connections: 6, promoted: 2, receivedBytes: 20}});
	t.deepEqual(Object.keys(summary.transports), ['tcp', 'shm']);
	t.deepEqual(summary.programs['p'], {connections: 2, promoted: 0});
	const text = formatSummary(summary, []);
	t.true(text.includes('50.0 % through shared memory'));
	t.true(text.includes('4 connections found no room in the tables'));
	t.true(text.includes('newer (3): The library is of another version.'));
});
