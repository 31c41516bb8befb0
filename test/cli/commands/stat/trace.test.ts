import {once} from 'node:events';
import {readFileSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {type EventLog} from '../../../../cli/control/stat/find-trace.js';
import {statTool} from '../../../../cli/commands/stat.js';
import {runToolHere} from '../../helpers/run-tool.js';
import {rsstat, startPromoted} from '../../helpers/stat.js';
import {startTalker, underToolkit, until} from '../../helpers/talker.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

async function readTraces(source: string): Promise<EventLog[]> {
	return (JSON.parse((await rsstat('trace', '--json', source)).stdout) as {traces: EventLog[]}).traces;
}

test('of a living process', async t => {
	const {pid, port} = await startPromoted(t);
	const [log] = await readTraces(String(pid));
	t.like(log, {pid, program: 'node'});
	t.is(log!.total, log!.events.length);
	t.deepEqual([...new Set(log!.events.filter(({kind}) => kind !== 'reason').map(({kind}) => kind))].toSorted(), ['opened', 'recv-shm', 'send-shm']);
	const times = log!.events.map(({timeNs}) => BigInt(timeNs));
	t.true(times.every((time, index) => index === 0 || time >= times[index - 1]! - 1_000_000_000n));
	const {code, stdout} = await rsstat('trace', String(pid));
	t.is(code, 0);
	t.regex(stdout, new RegExp(String.raw`^node \(${pid}\), since .*: \d+ events\n\d\d:\d\d:\d\d\.\d{6} {2}${pid}:\d+`));
	t.regex(stdout, new RegExp(String.raw`${pid}:\d+ ${port}-\d+ {2}bytes to the peer go through shared memory, after \d+ on TCP`));
	t.true((await rsstat('--get-completions', 'trace', String(pid))).stdout.startsWith(`${pid}\tnode`));
});

test('of a process that was killed, in a file and in a core', async t => {
	const directory = makeTemporaryDirectory(t);
	const {child, pid} = await startPromoted(t, {RSOCKET_TRACE: path.join(directory, 'trace')});
	const [alive] = await readTraces(String(pid));
	child.kill('SIGKILL');
	await once(child, 'exit');
	const file = path.join(directory, `trace.${pid}`);
	const [dead] = await readTraces(file);
	t.like(dead, {pid, program: 'node'});
	t.deepEqual(dead!.events.slice(0, alive!.events.length), alive!.events);

	const found = await runToolHere(statTool, ['trace', '--json', String(pid)], {env: {RSOCKET_TRACE: path.join(directory, 'trace')}});
	t.deepEqual((JSON.parse(found.stdout) as {traces: EventLog[]}).traces, [dead!]);

	// A core has the same bytes at the beginning of a page, somewhere.
	const trace = readFileSync(file);
	for (const pages of [3, 255, 256, 300]) {
		const core = writeTemporaryFile(directory, `core.${pages}`, Buffer.concat([Buffer.alloc(pages * 4096, 7), trace, Buffer.alloc(4096 - (trace.length % 4096)), Buffer.alloc(8192, 1)]));
		t.deepEqual(await readTraces(core), [dead!], `after ${pages} pages`);
	}
});

test('the file\'s name may hold the pid; closing and refusals are told', async t => {
	const directory = makeTemporaryDirectory(t);
	const server = await startTalker(t, {...underToolkit, RSOCKET_SET: 'transport=tcp,promote_after_calls=1', RSOCKET_TRACE: path.join(directory, 'of-%p.trace')});
	const client = await startTalker(t, {PEER: String(server.port)});
	const file = path.join(directory, `of-${server.pid}.trace`);
	await until(async () => (await rsstat('trace', file)).stdout.includes('setting: ') ? true : undefined);
	client.child.kill('SIGKILL');
	const stdout = await until(async () => {
		const run = await rsstat('trace', file);
		return run.stdout.includes('closed after') ? run.stdout : undefined;
	});
	t.regex(stdout, /setting: The transport setting keeps connections on TCP\.\n/);
	t.regex(stdout, / closed after .*B \(setting\)\n/);
});

test('what holds none', async t => {
	const directory = makeTemporaryDirectory(t);
	t.regex((await rsstat('trace', '4194304')).stderr, /^rsstat: there is no process 4194304, and no file of its trace in .*\n.*rsrun --trace=FILE next time/);
	t.regex((await rsstat('trace', '1')).stderr, /^rsstat: process 1 shows no trace\n/);
	t.regex((await rsstat('trace', path.join(directory, 'none'))).stderr, /is no file that can be read\n/);
	t.like(await rsstat('trace', writeTemporaryFile(directory, 'text', 'not a trace')), {code: 125, stdout: ''});
	t.like(await rsstat('trace', writeTemporaryFile(directory, 'empty', '')), {code: 125, stdout: ''});
});
