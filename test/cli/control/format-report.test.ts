import test from 'ava';
import {type Connection} from '../../../cli/control/describe-connection.js';
import {formatBytes, formatReport, formatReportJson} from '../../../cli/control/format-report.js';

const reasons = [
	{code: 'promoted', text: 'Both ends.', remedy: 'Nothing.'},
	{code: 'peer-absent', text: 'Nobody answered.', remedy: 'Use rsrun there.'},
];

function connection(changes: Partial<Connection> = {}): Connection {
	return {
		pid: 7,
		program: 'server',
		fd: 5,
		role: 'accepted',
		local: '127.0.0.1:80',
		peer: '127.0.0.1:5000',
		send: {
			transport: 'shm', bytes: 2048, shmBytes: 1024, calls: 2,
		},
		recv: {
			transport: 'tcp', bytes: 0, shmBytes: 0, calls: 0,
		},
		reason: 'promoted',
		isPromoted: true,
		isClosed: true,
		openedAt: undefined,
		promotedAt: undefined,
		closedAt: undefined,
		sleeps: 0,
		spins: 0,
		...changes,
	};
}

const stayed = connection({isPromoted: false, reason: 'peer-absent', peer: '127.0.0.1:6000'});

test('one row a connection, then the sum', t => {
	t.is(formatReport([connection()], 0, reasons), [
		'PID  PROGRAM  LOCAL         PEER            SEND  RECV  REASON       SENT  RECEIVED',
		'  7  server   127.0.0.1:80  127.0.0.1:5000  shm   tcp   promoted  2.0 KiB       0 B',
		'',
		'1 connection end: 1 promoted, 0 on TCP. 2.0 KiB moved, 50.0 % of them through shared memory.',
		'',
	].join('\n'));
});

test('each reason for staying on TCP is explained once', t => {
	const text = formatReport([stayed, connection(), stayed], 0, reasons);
	t.is(text.split('peer-absent (2): Nobody answered. Use rsrun there.').length, 2);
	t.false(text.includes('Both ends.'));
});

test('what is left out is counted', t => {
	const text = formatReport([stayed, stayed, stayed], 4, reasons, 1);
	t.is(text.split('127.0.0.1:6000').length, 2);
	t.regex(text, /\(2 more: --report=FILE writes all of them\)/);
	t.regex(text, /\(4 more found no room in the report\)/);
	t.regex(text, /^3 connection ends: 0 promoted, 3 on TCP/m);
});

test('no connection is said in words', t => {
	t.is(formatReport([], 0, reasons), 'No TCP connection was made under the toolkit.\n');
});

test('JSON has the sums, the connections and the reasons that occur', t => {
	const report = JSON.parse(formatReportJson([connection(), stayed], 3, reasons)) as Record<string, unknown>;
	t.deepEqual(report['summary'], {
		connections: 2, promoted: 1, dropped: 3, bytes: 4096, shmBytes: 2048,
	});
	t.deepEqual(report['reasons'], reasons);
	t.like((report['connections'] as unknown[])[1], {pid: 7, send: {transport: 'shm', bytes: 2048}, reason: 'peer-absent'});
});

test('sizes', t => {
	t.is(formatBytes(0), '0 B');
	t.is(formatBytes(1023), '1023 B');
	t.is(formatBytes(1536), '1.5 KiB');
	t.is(formatBytes(1024 ** 6), '1024.0 PiB');
});
