import test from 'ava';
import {probe} from '../../../../cli/control/check/probe.js';
import {loadNative} from '../../../../cli/native.js';

const surroundings = {native: loadNative(), signal: new AbortController().signal};

test('both ends in one program are promoted', async t => {
	const {isDone, answers, connections} = await probe(undefined, {...surroundings, env: {}});
	t.true(isDone);
	t.is(answers, 64);
	t.deepEqual(connections.map(({reason}) => reason), ['promoted', 'promoted']);
});

test('settings count', async t => {
	const {connections} = await probe(undefined, {...surroundings, env: {RSOCKET_SET: 'transport=tcp'}});
	t.deepEqual(connections.map(({reason}) => reason), ['setting', 'setting']);
});

test('nobody to talk to', async t => {
	const {isDone, log} = await probe({host: '127.0.0.1', port: 1, text: '{dir}', count: 1, answerMs: 100}, {...surroundings, env: {}});
	t.false(isDone);
	t.regex(log, /ECONNREFUSED/);
	t.regex(log, /{dir}/);
});
