import test from 'ava';
import {cleanText, formatAge, formatConnections} from '../../../../cli/control/stat/format-connections.js';
import {liveConnection} from '../../helpers/live-connection.js';

test('ages', t => {
	t.deepEqual([0, 59.94, 60, 3599, 3600, 172_799, 172_800, 1e6].map(seconds => formatAge(seconds)), ['0.0s', '59.9s', '1m00s', '59m59s', '1h00m', '47h59m', '2d', '11d']);
});

test('a program\'s name says nothing to the terminal', t => {
	t.is(cleanText('a\u001B[2Jb\nc'), 'a?[2Jb?c');
});

test('colours tell transports apart', t => {
	const side = {transport: 'shm', bytes: 2048, shmBytes: 2048, calls: 3} as const;
	const connection = liveConnection({role: 'accepted', local: 'l', peer: 'r', send: side, recv: side, reason: 'promoted', isPromoted: true, sleeps: 4, spins: 5, state: 'ESTAB', transport: 'shm'});
	const lines = formatConnections([connection, {...connection, transport: 'shm/tcp'}, {...connection, transport: 'tcp'}], (style, text) => `<${String(style)}>${text}`);
	t.deepEqual(lines.map(line => /^<(\w+)>/.exec(line)?.[1]), ['bold', 'green', 'yellow', undefined]);
	t.regex(lines[1]!, /1 {2}p +3 {2}l +r +ESTAB {2}shm +promoted {2}1\.0s {2}2\.0 KiB +2\.0 KiB +3 +3 +4 +5$/);
});
