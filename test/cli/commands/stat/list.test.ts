import {spawn} from 'node:child_process';
import {once} from 'node:events';
import path from 'node:path';
import process from 'node:process';
import {fileURLToPath} from 'node:url';
import test from 'ava';
import {statTool} from '../../../../cli/commands/stat.js';
import {loadNative, preloadLibrary} from '../../../../cli/native.js';
import {toRaw} from '../../../../cli/control/raw.js';
import {runToolHere} from '../../helpers/run-tool.js';
import {listConnections, rsstat, startPromoted} from '../../helpers/stat.js';
import {startTalker, underToolkit, until} from '../../helpers/talker.js';
import {makeTemporaryDirectory} from '../../helpers/temporary-directory.js';

test('both ends of a promoted connection, while its process lives', async t => {
	const {child, pid, port, ends} = await startPromoted(t);
	const [client, server] = ends.toSorted((a, b) => a.role.localeCompare(b.role)).toReversed();
	t.like(client, {pid, program: 'node', role: 'connected', peer: `127.0.0.1:${port}`, state: 'ESTAB', transport: 'shm', reason: 'promoted', isPromoted: true});
	t.like(server, {pid, role: 'accepted', local: `127.0.0.1:${port}`, peer: client!.local, state: 'ESTAB', transport: 'shm'});
	const later = await until(async () => (await listConnections('--pid', String(pid))).find(({role, send}) => role === 'connected' && send.bytes > client!.send.bytes));
	t.true(later.send.calls > client!.send.calls);
	t.true(later.send.shmBytes > 0 && later.send.shmBytes < later.send.bytes);
	t.true(later.ageSeconds >= client!.ageSeconds);
	child.kill('SIGKILL');
	await once(child, 'exit');
	t.deepEqual(await listConnections('--pid', String(pid)), []);
});

test('filters', async t => {
	const {pid, port} = await startPromoted(t);
	const plain = await startTalker(t, {PEER: String(port)});
	const onTcp = await until(async () => (await listConnections('--pid', String(pid), '--transport', 'tcp'))[0]);
	t.is(onTcp.role, 'accepted');
	t.false(onTcp.isPromoted);
	t.is((await listConnections('--port', String(port))).length, 3);
	t.is((await listConnections('--port', String(port), '--transport', 'shm', '--pid', String(pid))).length, 2);
	t.is((await listConnections('--pid', String(pid), '--reason', 'promoted')).length, 2);
	t.deepEqual(await listConnections('--pid', String(plain.pid)), []);
	t.is((await listConnections('--pid', String(plain.pid), '--pid', String(pid))).length, 3);
});

test('a table', async t => {
	const {pid, port} = await startPromoted(t);
	const {code, stdout} = await rsstat('--pid', String(pid));
	t.is(code, 0);
	const [head, ...lines] = stdout.trim().split('\n');
	t.regex(head!, /^ *PID {2}PROGRAM +FD {2}LOCAL +PEER +STATE +TRANSPORT +REASON +AGE +SENT +RECEIVED +MSGS OUT +MSGS IN +WAKES +SPINS$/);
	t.is(lines.length, 2);
	t.regex(stdout, new RegExp(String.raw`${pid} +node +\d+ +127\.0\.0\.1:${port} +127\.0\.0\.1:\d+ +ESTAB +shm +promoted +\d+\.\ds +[\d.]+ (KiB|B) `));
	t.is((await rsstat('--pid', '4194304')).stdout, 'No connection under the toolkit can be seen.\n');
});

test('watching, until interrupted', async t => {
	const {pid} = await startPromoted(t);
	const watch = async (args: readonly string[], isTerminal: boolean): Promise<string[]> => {
		const controller = new AbortController();
		const pieces: string[] = [];
		const {code} = await runToolHere(statTool, ['--watch', '--interval', '0.05', '--pid', String(pid), ...args], {
			isTerminal, env: {NO_COLOR: '1'}, signal: controller.signal,
			onOutput(text) {
				if (pieces.push(text) === 3) {
					controller.abort();
				}
			},
		});
		t.is(code, 0);
		return pieces;
	};

	const objects = (await watch(['--json'], false)).map(line => JSON.parse(line) as {version: number; time: string; connections: unknown[]});
	t.is(objects.length, 3);
	t.true(objects.every(({version, connections}) => version === 1 && connections.length === 2));
	t.true(Date.parse(objects[2]!.time) > Date.parse(objects[0]!.time));
	for (const frame of await watch([], true)) {
		t.true(frame.startsWith('\u001B[?7l\u001B[H') && frame.endsWith('\u001B[K\u001B[J\u001B[?7h\n'));
		t.true(frame.includes('  2 connection ends, 2 promoted\u001B[K\n'));
	}

	t.regex((await watch([], false))[0]!, /^\d\d:\d\d:\d\d {2}2 connection ends, 2 promoted\n.*\n.*\n.*\n\n$/);
});

test('watching ends with its reader', async t => {
	const bin = fileURLToPath(new URL('../../../../cli/rsstat.js', import.meta.url));
	const child = spawn(process.execPath, [bin, '--watch', '--json', '--interval', '0.05'], {stdio: ['ignore', 'pipe', 'inherit']});
	await once(child.stdout, 'data');
	child.stdout.destroy();
	t.deepEqual(await once(child, 'exit'), [0, null]);
});

test('metrics', async t => {
	const {pid, ends} = await startPromoted(t);
	const {code, stdout} = await rsstat('--prometheus');
	t.is(code, 0);
	t.true(stdout.includes(`rsocket_connections{pid="${pid}",program="node",transport="shm",reason="promoted"} 2\n`));
	t.true(stdout.includes(`rsocket_connections_total{pid="${pid}",program="node"} 2\n`));
	t.true(stdout.includes(`rsocket_connections_promoted_total{pid="${pid}",program="node"} 2\n`));
	const value = Number(new RegExp(String.raw`^rsocket_bytes_total\{pid="${pid}",program="node",direction="sent",transport="shm"\} (\d+)$`, 'm').exec(stdout)?.[1]);
	t.true(value >= ends.reduce((sum, {send}) => sum + send.shmBytes, 0));
	t.regex(stdout, /^# TYPE rsocket_bytes_total counter$/m);
});

test('what cannot be meant', async t => {
	t.like(await rsstat('--port', 'http'), {code: 125, stderr: 'rsstat: --port http is not a number from 1 to 65535\nGive --port such a number.\n'});
	t.like(await rsstat('--pid', '0'), {code: 125});
	t.like(await rsstat('--reason', 'promotd'), {code: 125, stderr: 'rsstat: there is no reason promotd\nDid you mean promoted?\n'});
	t.like(await rsstat('--transport', 'ib'), {code: 125});
	t.like(await rsstat('--watch', '--interval', '0'), {code: 125});
	t.is((JSON.parse((await rsstat('--json', '--reason', 'promotd')).stderr) as {error: {code: string}}).error.code, 'unknown-reason');
});

test('a process that may have few descriptors shows its connections too', async t => {
	const {pid, ends} = await startPromoted(t, {}, 'ulimit -n 200 && exec "$0" "$@"');
	t.deepEqual(ends.map(end => end.pid), [pid, pid]);
});

test('so does one with a report file', async t => {
	const report = path.join(makeTemporaryDirectory(t), 'report');
	loadNative().statsCreate(toRaw(report), 1024);
	const {pid, ends} = await startPromoted(t, {RSOCKET_REPORT: report});
	t.deepEqual(ends.map(end => end.pid), [pid, pid]);
	t.is(loadNative().statsRead(toRaw(report), 1024).connections.length, 2);
});

/** Accepts, and leaves each connection to a forked child, as inetd and sshd do; prints the port, then each child's pid. */
const forking = `
import os, socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    connection, _ = server.accept()
    connection.sendall(connection.recv(100))
    child = os.fork()
    if child == 0:
        server.close()
        while data := connection.recv(100):
            connection.sendall(data)
        os._exit(0)
    connection.close()
    print(child, flush=True)
`;

test('a connection that was left to a forked child is the child\'s', async t => {
	const child = spawn('python3', ['-c', forking], {stdio: ['ignore', 'pipe', 'inherit'], env: {PATH: process.env['PATH'], LD_PRELOAD: preloadLibrary, RSOCKET_CONFIG_DIR: '/nowhere'}});
	let printed = '';
	child.stdout.on('data', (text: Uint8Array) => {
		printed += text.toString();
	});
	const port = await until(() => /^(\d+)\n/.exec(printed)?.[1]);
	const client = await startTalker(t, {...underToolkit, PEER: port});
	const grandchild = Number(await until(() => /^\d+\n(\d+)\n/.exec(printed)?.[1]));
	t.teardown(() => {
		child.kill('SIGKILL');
		client.child.kill('SIGKILL');
	});
	const connection = await until(async () => (await listConnections('--port', port)).find(({role, pid}) => role === 'accepted' && pid === grandchild));
	t.is(connection.local, `127.0.0.1:${port}`);
	t.is((await listConnections('--port', port)).filter(({role}) => role === 'accepted').length, 1);
	client.child.kill('SIGKILL');
	t.deepEqual(await until(async () => {
		const left = await listConnections('--port', port);
		return left.length === 0 ? left : undefined;
	}), []);
});

test('a process that does not exist is told', async t => {
	const {code, stdout, stderr} = await rsstat('--pid', '4194304', '--json');
	t.is(code, 1);
	t.like(JSON.parse(stdout), {connections: []});
	t.regex(stderr, /there is no process 4194304/);
	t.is((await rsstat('summary', '--pid', '4194304')).code, 1);
});

test('the summary and the metrics obey the filters', async t => {
	const {pid} = await startPromoted(t);
	const summary = JSON.parse((await rsstat('summary', '--json', '--pid', String(pid))).stdout) as {readonly processes: number; readonly connections: number};
	t.like(summary, {processes: 1, connections: 2});
	t.like(JSON.parse((await rsstat('summary', '--json', '--port', '1')).stdout), {processes: 0, connections: 0});
	const metrics = (await rsstat('--prometheus', '--pid', String(pid))).stdout;
	t.deepEqual([...new Set([...metrics.matchAll(/pid="(\d+)"/g)].map(([, found]) => Number(found)))], [pid]);
});
