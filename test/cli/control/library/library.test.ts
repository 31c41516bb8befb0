import {once} from 'node:events';
import {existsSync, readFileSync} from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import {
	check, CliError, config, run, stats, type Cell, type ConfigEvent,
} from '../../../../cli/index.js';
import {until} from '../../helpers/talker.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

/** Talks to itself until its standard input ends. */
const program = `
const net = require('node:net');
const server = net.createServer(socket => socket.pipe(socket)).listen(0, '127.0.0.1', () => {
	const socket = net.connect(server.address().port, '127.0.0.1', () => setInterval(() => socket.write('ping'), 5)).on('data', () => {});
});
process.stdin.resume().on('end', () => {
	console.log(process.env.RSOCKET_SET ?? 'none', process.env.MINE ?? 'none');
	process.exit();
});`;

test('a program under the toolkit, its connections and its output', async t => {
	const subprocess = run(process.execPath, ['-e', program], {settings: {promote_after_calls: 1}, transport: 'shm', configDirectory: '/nowhere', env: {MINE: 'yes'}, stdin: 'pipe'});
	t.teardown(() => subprocess.kill('SIGKILL'));
	t.is(subprocess.obstacle, undefined);
	const connections = await until(() => {
		const found = subprocess.connections();
		return found.length === 2 && found.every(({transport}) => transport === 'shm') ? found : undefined;
	});
	t.deepEqual(connections.map(({pid}) => pid), [subprocess.pid, subprocess.pid]);
	const pids = [subprocess.pid!];
	t.is(stats.connections({pids}).length, 2);
	t.like(stats.summary(stats.snapshot({pids})), {processes: 1, connections: 2, promoted: 2});
	const [story] = await stats.why(`${connections[0]!.pid}:${connections[0]!.fd}`);
	t.like(story, {remedy: 'Nothing.', otherRemedy: 'Nothing.', other: {kind: 'visible'}});
	t.is(stats.trace(subprocess.pid!)[0]!.events[0]!.kind, 'opened');
	t.true((await stats.metrics()).includes(`pid="${subprocess.pid}"`));
	subprocess.stdin.end();
	const {stdout, exitCode} = await subprocess;
	t.is(exitCode, 0);
	t.is(stdout, 'transport=shm,promote_after_calls=1 yes');
	t.deepEqual(subprocess.connections(), []);
});

test('of the programs that it starts too', async t => {
	const subprocess = run('/bin/sh', ['-c', '"$0" -e "$1"; true', process.execPath, program], {settings: {promote_after_calls: 1}, stdin: 'pipe'});
	t.teardown(() => subprocess.kill('SIGKILL'));
	const [connection] = await until(() => {
		const found = subprocess.connections();
		return found.length === 2 ? found : undefined;
	});
	t.not(connection!.pid, subprocess.pid);
	subprocess.stdin.end();
	await subprocess;
});

test('a profile and rules', async t => {
	const directory = makeTemporaryDirectory(t);
	const rules = writeTemporaryFile(directory, 'rules', 'use tcp * * *:1\n');
	const {stdout} = await run('/bin/sh', ['-c', 'echo "$RSOCKET_SET"; echo "$RSOCKET_RULES"'], {profile: 'latency', rules});
	t.regex(stdout, /^[a-z_]+=\d+,.*\n.*tcp/);
});

test('the trace of one that has ended', async t => {
	const trace = path.join(makeTemporaryDirectory(t), 'trace');
	const subprocess = run(process.execPath, ['-e', program], {settings: {promote_after_calls: 1}, trace, stdin: 'pipe'});
	t.teardown(() => subprocess.kill('SIGKILL'));
	await until(() => subprocess.connections().length === 2 || undefined);
	subprocess.stdin.end();
	await subprocess;
	t.is(stats.trace(`${trace}.${subprocess.pid}`)[0]?.pid, subprocess.pid);
});

test('what is wrong', async t => {
	const error = t.throws(() => {
		void run('true', [], {settings: {polling_tim: 1}});
	}, {instanceOf: CliError});
	t.is(error.remedy, 'Did you mean polling_time? rsrun --help lists all settings.');
	t.throws(() => {
		void run('true', [], {profile: 'none'});
	}, {instanceOf: CliError});
	await t.throwsAsync(run('no-such-program-anywhere'), {code: 'ENOENT'});
	t.throws(() => stats.trace(4_194_304), {instanceOf: CliError});
	t.throws(() => stats.trace('/nowhere/trace'), {instanceOf: CliError});
	t.throws(() => config.get('polling_tim'), {instanceOf: CliError});
});

test('a program that the library cannot get into runs plain', async t => {
	const script = writeTemporaryFile(makeTemporaryDirectory(t), 'script', '#!/nowhere/interpreter\n');
	const subprocess = run(script, [], {reject: false});
	t.is(typeof (await subprocess).code, 'string');
	t.deepEqual(subprocess.connections(), []);
});

test('settings', t => {
	const directory = path.join(makeTemporaryDirectory(t), 'rsocket');
	config.set({mem_default: '1M', polling_time: '50us'}, {directory});
	t.is(readFileSync(path.join(directory, 'mem_default'), 'utf8'), '1048576\n');
	t.like(config.get('mem_default', {directory}), {value: 1_048_576, default: 131_072, source: {kind: 'file'}});
	config.set({mem_default: undefined}, {directory});
	t.false(existsSync(path.join(directory, 'mem_default')));
	t.is(config.list({directory}).find(({name}) => name === 'polling_time')?.value, 50);
	t.deepEqual(config.validate({directory}), []);
	writeTemporaryFile(directory, 'sqsize_default', 'many\n');
	t.is(config.validate({directory}).length, 1);
	t.throws(() => {
		config.set({mem_default: 1, polling_time: 'soon'}, {directory});
	}, {instanceOf: CliError});
	t.false(existsSync(path.join(directory, 'mem_default')));
	t.true(config.profiles().some(({name}) => name === 'balanced'));
});

test('profiles, differences and documents', t => {
	const directory = path.join(makeTemporaryDirectory(t), 'rsocket');
	const planned = config.apply('low-cpu', {directory, dryRun: true});
	t.true(planned.length > 0);
	t.false(existsSync(directory));
	t.deepEqual(config.apply('low-cpu', {directory}), planned);
	t.deepEqual(config.apply('low-cpu', {directory}), []);
	t.deepEqual(config.diff('low-cpu', {directory}), []);
	t.true(config.diff(undefined, {directory}).length > 0);
	t.is(config.get('polling_time', {directory}).profiles['low-cpu'], String(config.get('polling_time', {directory}).value));
	const document = config.export({directory});
	const other = path.join(makeTemporaryDirectory(t), 'rsocket');
	config.import(document, {directory: other});
	t.deepEqual(config.diff(document, {directory: other}), []);
	t.throws(() => config.import({version: 1, settings: {polling_tim: 1}}, {directory: other}), {instanceOf: CliError, message: /the document:/});
	config.import({version: 1}, {directory: other});
	t.deepEqual(config.diff(undefined, {directory: other}), []);
});

test('rules and preload_config', t => {
	const directory = path.join(makeTemporaryDirectory(t), 'rsocket');
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'rules', 'use tcp server redis-server *:6379\nuse tcp server redis-server *:6379\n');
	t.like(config.rules.check({file}), {isValid: true, unreachable: [{line: 2, because: 1}]});
	t.is(config.rules.install(file, {directory}).length, 1);
	const {verdicts} = config.rules.test({program: 'redis-server', peer: '10.0.0.5:6379'}, {directory});
	t.deepEqual(verdicts.map(({role, transport}) => [role, transport]), [['server', 'tcp'], ['client', undefined]]);
	t.is(config.rules.remove({directory})[0]?.after, null);
	t.is(config.preloadConfig.read({directory}), undefined);
	config.preloadConfig.write([{program: '*', domain: 'INET', type: 'STREAM', protocol: '*'}], {directory});
	t.is(readFileSync(path.join(directory, 'preload_config'), 'utf8'), '* INET STREAM *\n');
	const entries = config.preloadConfig.read({directory});
	t.is(entries?.length, 1);
	t.deepEqual(config.preloadConfig.write(entries, {directory}), []);
	t.throws(() => config.preloadConfig.write([{program: '*', domain: 'AX25', type: 'STREAM', protocol: '*'}], {directory}), {instanceOf: CliError});
	config.preloadConfig.write(undefined, {directory});
	t.is(config.preloadConfig.read({directory}), undefined);
});

test('following a directory', async t => {
	const directory = makeTemporaryDirectory(t);
	const controller = new AbortController();
	const events: ConfigEvent[] = [];
	await config.watch(event => {
		events.push(event);
		if (event.event === 'start') {
			writeTemporaryFile(directory, 'polling_time', '7\n');
		} else {
			controller.abort();
		}
	}, {directory, signal: controller.signal});
	t.like(events[0], {event: 'start', exists: true, faults: []});
	t.like(events[1], {event: 'change', file: path.join(directory, 'polling_time'), before: null, after: '7\n'});
});

test('checks', async t => {
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
