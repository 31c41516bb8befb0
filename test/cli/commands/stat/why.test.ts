import test from 'ava';
import {type Story} from '../../../../cli/control/stat/tell-story.js';
import {listConnections, rsstat, startPromoted} from '../../helpers/stat.js';
import {startTalker, underToolkit, until} from '../../helpers/talker.js';

test('the story of both ends', async t => {
	const {pid, port, ends} = await startPromoted(t);
	const {code, stdout} = await rsstat('why', `${pid}:${ends[0]!.fd}`, '--json');
	t.is(code, 0);
	const {stories} = JSON.parse(stdout) as {stories: Story[]};
	t.is(stories.length, 1);
	const [{end, other, otherEvents}] = stories as [Story];
	t.like(end.connection, {pid, fd: ends[0]!.fd, local: ends[0]!.local});
	t.like(other, {kind: 'visible', connection: {pid, fd: ends[1]!.fd, local: ends[0]!.peer}});
	for (const events of [end.events, otherEvents]) {
		const kinds = events.map(({kind}) => kind);
		t.is(kinds[0], 'opened');
		t.true(kinds.includes('send-shm') && kinds.includes('recv-shm'));
		t.is(events.findLast(({kind}) => kind === 'reason')?.reason, 'promoted');
	}

	const text = await rsstat('why', `127.0.0.1:${port}`);
	t.regex(text.stdout, new RegExp(String.raw`node \(${pid}\), descriptor \d+: .* accepted from .*, ESTAB, open for`));
	t.regex(text.stdout, new RegExp(String.raw`node \(${pid}\), descriptor \d+: .* connected to 127\.0\.0\.1:${port}, ESTAB`));
	t.is(text.stdout.match(/ {2}reason +promoted: Both ends run the toolkit/g)?.length, 2);
	t.regex(text.stdout, /\+0us +accepted\n/);
	t.is((await rsstat('why', `localhost:${port}`)).stdout.match(/descriptor/g)?.length, 2);
});

test('a plain peer is named', async t => {
	const server = await startTalker(t, underToolkit);
	const client = await startTalker(t, {PEER: String(server.port)});
	const connection = await until(async () => (await listConnections('--pid', String(server.pid)))[0]);
	const {code, stdout} = await rsstat('why', `:${server.port}`);
	t.is(code, 0);
	t.true(stdout.includes(`The other end is node (${client.pid}), which runs without the toolkit: start it with rsrun too.`));
	t.regex(stdout, / {2}remedy {4}\S/);
	t.like((JSON.parse((await rsstat('why', '--json', `${server.pid}:${connection.fd}`)).stdout) as {stories: unknown[]}).stories[0], {other: {kind: 'process', pid: client.pid, hasLibrary: false}});
});

test('completion knows the connections', async t => {
	const {pid, ends} = await startPromoted(t);
	const {stdout} = await rsstat('--get-completions', 'why', `${pid}:`);
	t.deepEqual(new Set(stdout.trim().split('\n').map(line => line.split('\t')[0])), new Set(ends.map(({fd}) => `${pid}:${fd}`)));
});

test('what is not there', async t => {
	t.like(await rsstat('why', '4194304:3'), {code: 1, stdout: ''});
	t.regex((await rsstat('why', '127.0.0.1:1')).stderr, /^rsstat: no connection that can be seen is 127\.0\.0\.1:1\n/);
	t.regex((await rsstat('why', 'redis')).stderr, /is neither PID:FD nor ADDR:PORT/);
	t.like(await rsstat('why', 'no.such.name.invalid:80'), {code: 125});
});
