import test from 'ava';
import {formatMetrics} from '../../../../cli/control/stat/export-metrics.js';
import {type Snapshot} from '../../../../cli/control/stat/take-snapshot.js';
import {liveConnection, liveProcess, makeTotals} from '../../helpers/live-connection.js';

const nothing: Snapshot = {time: '2026-01-01T00:00:00.000Z', processes: [], connections: [], unreadable: []};

/** Samples by name and labels. */
function samples(text: string): Record<string, number> {
	return Object.fromEntries(text.split('\n').filter(line => line !== '' && !line.startsWith('#')).map(line => {
		const space = line.lastIndexOf(' ');
		return [line.slice(0, space), Number(line.slice(space + 1))];
	}));
}

test('every series has its help and type, with nothing to tell too', async t => {
	const text = await formatMetrics(nothing);
	const names = [...text.matchAll(/^# HELP (\S+) \S.*$/gm)].map(([, name]) => name);
	t.deepEqual(names, [
		'rsocket_processes', 'rsocket_connections', 'rsocket_connections_total', 'rsocket_connections_promoted_total', 'rsocket_sleeps_total', 'rsocket_spins_paid_total',
		'rsocket_connections_dropped_total', 'rsocket_bytes_total', 'rsocket_messages_total',
	]);
	t.deepEqual([...text.matchAll(/^# TYPE (\S+) (?:counter|gauge)$/gm)].map(([, name]) => name), names);
	t.deepEqual(samples(text), {rsocket_processes: 0});
});

test('open and ended connections add up, by process', async t => {
	const process = liveProcess({
		pid: 7, program: 'server', dropped: 2,
		open: makeTotals({connections: 1, promoted: 1, sendBytes: 100, shmSendBytes: 60, recvBytes: 10, shmRecvBytes: 10, sendCalls: 3, recvCalls: 4, sleeps: 5, spins: 6}),
		ended: makeTotals({connections: 10, promoted: 4, sendBytes: 1000, shmSendBytes: 500, recvBytes: 0, sendCalls: 30, recvCalls: 40, sleeps: 50, spins: 60}),
	});
	const found = samples(await formatMetrics({...nothing, processes: [process, liveProcess({pid: 8, program: 'server'})]}));
	const labels = 'pid="7",program="server"';
	for (const [name, value] of [
		[`rsocket_connections_total{${labels}}`, 11], [`rsocket_connections_promoted_total{${labels}}`, 5], [`rsocket_sleeps_total{${labels}}`, 55], [`rsocket_spins_paid_total{${labels}}`, 66],
		[`rsocket_connections_dropped_total{${labels}}`, 2], [`rsocket_bytes_total{${labels},direction="sent",transport="shm"}`, 560], [`rsocket_bytes_total{${labels},direction="sent",transport="tcp"}`, 540],
		[`rsocket_bytes_total{${labels},direction="received",transport="shm"}`, 10], [`rsocket_bytes_total{${labels},direction="received",transport="tcp"}`, 0],
		[`rsocket_messages_total{${labels},direction="sent"}`, 33], [`rsocket_messages_total{${labels},direction="received"}`, 44], ['rsocket_connections_total{pid="8",program="server"}', 0], ['rsocket_processes', 2],
	] as const) {
		t.is(found[name], value, `${name}`);
	}
});

test('connections are counted by what carries them and why', async t => {
	const connection = liveConnection({pid: 7, program: 'server', transport: 'shm', reason: 'promoted'});
	const found = samples(await formatMetrics({...nothing, connections: [connection, connection, {...connection, transport: 'shm/tcp'}, {...connection, pid: 8, transport: 'tcp', reason: 'setting'}]}));
	t.is(found['rsocket_connections{pid="7",program="server",transport="shm",reason="promoted"}'], 2);
	t.is(found['rsocket_connections{pid="7",program="server",transport="shm/tcp",reason="promoted"}'], 1);
	t.is(found['rsocket_connections{pid="8",program="server",transport="tcp",reason="setting"}'], 1);
});

test('counters that move one after the other are no reason for a negative one', async t => {
	const open = makeTotals({sendBytes: 10, shmSendBytes: 12, recvBytes: 3, shmRecvBytes: 4});
	const found = samples(await formatMetrics({...nothing, processes: [liveProcess({pid: 7, open})]}));
	t.is(found['rsocket_bytes_total{pid="7",program="p",direction="sent",transport="tcp"}'], 0);
	t.is(found['rsocket_bytes_total{pid="7",program="p",direction="received",transport="tcp"}'], 0);
});

test('a program\'s name cannot leave its label', async t => {
	const program = 'a"} 1\nrsocket_processes 99\\';
	const text = await formatMetrics({...nothing, processes: [liveProcess({pid: 7, program})], connections: [liveConnection({program})]});
	t.is(samples(text)['rsocket_processes'], 1);
	t.true(text.includes(String.raw`rsocket_connections_total{pid="7",program="a\"} 1\nrsocket_processes 99\\"} 0`));
});

test('what has ended is not in the next text', async t => {
	t.regex(await formatMetrics({...nothing, processes: [liveProcess({pid: 7})]}), /pid="7"/);
	t.notRegex(await formatMetrics(nothing), /pid="7"/);
});
