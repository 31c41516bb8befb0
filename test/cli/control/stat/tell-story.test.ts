import test from 'ava';
import {type LiveConnection} from '../../../../cli/control/stat/take-snapshot.js';
import {formatStory, remedyOf} from '../../../../cli/control/stat/tell-story.js';
import {type OtherEnd} from '../../../../cli/control/stat/find-other-end.js';
import {liveConnection} from '../../helpers/live-connection.js';

const side = {transport: 'tcp', bytes: 1, shmBytes: 0, calls: 1} as const;
const connection = liveConnection({
	local: '10.0.0.1:5', peer: '10.0.0.2:80', send: side, recv: {...side, transport: 'unknown'}, reason: 'newer', sleeps: 2, spins: 1, state: 'ESTAB', transport: 'tcp/unknown',
});
const tell = (other: Exclude<OtherEnd, {kind: 'visible'}>): string => formatStory({end: {connection, events: []}, other, otherEvents: []}, [], (_style, text) => text);

test('whatever is known of the other end', t => {
	t.regex(tell({kind: 'elsewhere'}), /The other end is not in this network namespace/);
	t.regex(tell({kind: 'hidden'}), /only its user and root/);
	t.regex(tell({kind: 'process', pid: 9, program: 'q', hasLibrary: true}), /The other end is q \(9\), which has the library but shows nothing/);
});

test('what is not known', t => {
	const text = tell({kind: 'elsewhere'});
	t.regex(text, /reason {4}newer: the library is of another version\n {2}remedy {4}Run one version\.\n {2}events {4}none are known any more\n/);
	t.regex(text, / {2}waits {5}2 slept in the kernel, 1 ended while they still spun\n/);
	t.regex(text, /now over unknown/);
});

test('a line of the rules that gave it settings', t => {
	t.notRegex(tell({kind: 'elsewhere'}), /settings/);
	t.regex(formatStory({end: {connection: {...connection, settingsLine: 7}, events: []}, other: {kind: 'elsewhere'}, otherEvents: []}, [], (_style, text) => text), /\n {2}settings {2}some of its own, by line 7 of the rules\n/);
});

test('what the other end refuses is what has to be changed', t => {
	const reasons = [{code: 'peer-absent', text: 'No answer.', remedy: 'Start the other.'}, {code: 'rule', text: 'A rule.', remedy: 'See which.'}, {code: 'searching', text: 'Looking.', remedy: 'Wait.'}];
	const end = (reason: string): LiveConnection => ({...connection, reason});
	const visible = (reason: string): OtherEnd => ({kind: 'visible', connection: end(reason)});
	t.is(remedyOf(end('peer-absent'), visible('rule'), reasons), 'The other end, p (1), refuses (rule): A rule. See which.');
	t.is(remedyOf(end('rule'), visible('peer-absent'), reasons), 'See which.');
	t.is(remedyOf(end('peer-absent'), visible('searching'), reasons), 'Start the other.');
	t.is(remedyOf(end('peer-absent'), {kind: 'elsewhere'}, reasons), 'Start the other.');
	t.is(remedyOf(end('newer'), visible('rule'), reasons), undefined);
	t.regex(formatStory({end: {connection: end('peer-absent'), events: []}, other: visible('rule'), otherEvents: []}, reasons, (_style, text) => text), /remedy {4}The other end, p \(1\), refuses/);
});
