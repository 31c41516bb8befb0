import {once} from 'node:events';
import net from 'node:net';
import process from 'node:process';
import test from 'ava';
import {check, CliError, type Cell} from '../../../../cli/index.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

test('a program, and this machine', async t => {
	t.like(check.program(process.execPath), {verdict: 'accelerates', linkage: 'dynamic'});
	const directory = makeTemporaryDirectory(t);
	const broken = writeTemporaryFile(directory, 'broken', '\u007FELF', 0o755);
	t.like(check.program(broken), {verdict: 'cannot-start', findings: [{code: 'broken'}]});
	writeTemporaryFile(directory, 'polling_time', 'soon\n');
	const findings = await check.environment({quick: true, directory});
	t.true(['toolkit', 'kernel', 'limits', 'rdma', 'settings'].every(area => findings.some(finding => finding.area === area)));
	t.false(findings.some(({code}) => code === 'conversation'));
});

test('a server that is running', async t => {
	const server = net.createServer(socket => {
		socket.pipe(socket);
	}).listen(0, '127.0.0.1');
	t.teardown(() => server.close());
	await once(server, 'listening');
	const {port} = server.address() as net.AddressInfo;
	const judgement = await check.live(port, {send: 'ping', count: 8, directory: makeTemporaryDirectory(t)});
	t.like(judgement, {peer: String(port), verdict: 'stays', talk: {answers: 8, promoted: false}});
	t.is(judgement.processes[0]?.pid, process.pid);
	await t.throwsAsync(check.live('nonsense'), {instanceOf: CliError});
});

test('the four mixes of a server and a client', async t => {
	const server = 'require("node:net").createServer(s => s.pipe(s)).listen(Number(process.argv[1]), "127.0.0.1")';
	const client = 'const s = require("node:net").connect(Number(process.argv[1]), "127.0.0.1", () => s.end("hello")).on("data", d => console.log(String(d)))';
	const mixes = await check.fallback({server: [process.execPath, '-e', server, '{port}'], client: [process.execPath, '-e', client, '{port}'], settings: {promote_after_calls: 1}});
	t.deepEqual(mixes.map(({mode, isSame, status, serverStatus}) => [mode, isSame, status, serverStatus]), ['plain', 'both', 'server', 'client'].map(mode => [mode, true, 0, 'SIGTERM']));
	await t.throwsAsync(check.fallback({server: ['no-such-program'], client: ['true']}), {instanceOf: CliError});
});

test('applications', async t => {
	const cells: Cell[] = [];
	const results = await check.matrix({apps: ['java'], modes: ['both'], transports: ['tcp'], timeout: 1000, signal: AbortSignal.abort(), onCell(cell) {
		cells.push(cell);
	}});
	t.deepEqual(results.cells, cells);
	t.regex(results.machine, /Linux/);
	await t.throwsAsync(check.matrix({apps: ['no-such-app']}), {instanceOf: CliError});
});

test('what is not there is told', t => {
	t.like(t.throws(() => check.program('no-such-program-anywhere'), {instanceOf: CliError}), {code: 'not-found', exitCode: 127});
	t.like(t.throws(() => check.program('/'), {instanceOf: CliError}), {exitCode: 126});
});
