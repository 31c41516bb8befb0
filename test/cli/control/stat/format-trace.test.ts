import test from 'ava';
import {type Event} from '../../../../cli/control/stat/find-trace.js';
import {describeEvent, formatLog} from '../../../../cli/control/stat/format-trace.js';

const event: Event = {time: '', timeNs: '1700000000123456789', pid: 7, fd: 3, localPort: 80, peerPort: 9, kind: 'opened', reason: 'new', error: '', value: 0, openedNs: '1'};

test('every kind', t => {
	const reasons = [{code: 'new', text: 'Too few.', remedy: ''}];
	const describe = (change: Partial<Event>): string => describeEvent({...event, ...change}, reasons);
	t.deepEqual([
		describe({}), describe({value: 1}), describe({kind: 'reason'}), describe({kind: 'reason', reason: 'newer'}), describe({kind: 'send-shm', value: 5}), describe({kind: 'recv-shm', value: 6}),
		describe({kind: 'send-returned'}), describe({kind: 'recv-returned'}), describe({kind: 'error', error: 'EPIPE'}), describe({kind: 'reset'}), describe({kind: 'closed', value: 2048}), describe({kind: 'unknown'}),
	], [
		'connected, or began to', 'accepted', 'new: Too few.', 'newer: of another version', 'bytes to the peer go through shared memory, after 5 on TCP', 'bytes from the peer come through shared memory, after 6 on TCP',
		'bytes to the peer go over TCP again (new)', 'bytes from the peer come over TCP again (new)', 'a call failed: EPIPE', 'reset by the toolkit (new)', 'closed after 2.0 KiB (new)', 'an event that only a newer version knows',
	]);
});

test('how many events are lost', t => {
	const log = {pid: 7, program: 'p', since: 's', events: [event]};
	t.regex(formatLog({...log, total: 1}, []), /^p \(7\), since s: 1 event\n\d\d:\d\d:\d\d\.123456 {2}7:3 80-9 {2}connected, or began to$/);
	t.regex(formatLog({...log, total: 300, events: [{...event, localPort: 0}]}, []), /^p \(7\), since s: 300 events, the last 1 of which are known\n\S+ {2}7:3 {2}connected/);
});
