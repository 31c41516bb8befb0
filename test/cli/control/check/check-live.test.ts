import {once} from 'node:events';
import net, {type AddressInfo, type Socket} from 'node:net';
import process from 'node:process';
import test, {type ExecutionContext} from 'ava';
import {checkLive, type LiveSubject} from '../../../../cli/control/check/check-live.js';
import {CliError} from '../../../../cli/control/cli-error.js';
import {loadNative} from '../../../../cli/native.js';
import {startTalker, underToolkit} from '../../helpers/talker.js';

const subject: LiveSubject = {send: undefined, count: 32, timeoutMs: 10_000, program: '', directory: '/nowhere', env: {}, native: loadNative(), signal: new AbortController().signal};

/** A server in this process, on plain TCP; returns its port. */
async function listen(t: ExecutionContext, host: string, onConnection: (socket: Socket) => void): Promise<number> {
	const server = net.createServer(socket => {
		onConnection(socket.on('error', () => undefined));
	}).listen(0, host);
	t.teardown(() => server.close());
	await once(server, 'listening');
	return (server.address() as AddressInfo).port;
}

test('a server is looked at without a word to it', async t => {
	const received: Uint8Array[] = [];
	for (const [host, peer] of [['127.0.0.1', (port: number) => `127.0.0.1:${port}`], ['::1', (port: number) => `[::1]:${port}`], ['127.0.0.1', String]] as const) {
		const port = await listen(t, host, socket => {
			socket.on('data', bytes => {
				received.push(bytes);
			});
		});
		const judgement = await checkLive(peer(port), subject);
		t.like(judgement, {peer: peer(port), verdict: 'stays', reason: 'peer-absent', uid: process.getuid?.()});
		t.false('talk' in judgement);
		t.deepEqual(judgement.processes.map(({pid, library}) => [pid, library]), [[process.pid, null]]);
	}

	t.deepEqual(received, []);
});

test('what was expected of a server under the toolkit holds, and few words say nothing against it', async t => {
	const {port, pid} = await startTalker(t, underToolkit);
	t.like(await checkLive(String(port), subject), {verdict: 'promotes', transport: 'shm', processes: [{pid, program: 'node', settings: 'promote_after_calls=1'}]});
	const short = await checkLive(String(port), {...subject, send: 'x', count: 1});
	t.like(short, {verdict: 'promotes', talk: {sent: 'x', count: 1, answers: 1}});
	const long = await checkLive(String(port), {...subject, send: String.raw`\x41\r\n`});
	t.like(long, {verdict: 'promotes', reason: 'promoted', text: 'The connection of the conversation was promoted.', talk: {sent: 'A\r\n', answers: 32, promoted: true, bytes: 192}});
	t.true(long.talk!.shmBytes > 0);
});

test('the settings and rules of this end count', async t => {
	const {port} = await startTalker(t, underToolkit);
	t.like(await checkLive(String(port), {...subject, env: {RSOCKET_SET: 'transport=tcp'}}), {verdict: 'stays', reason: 'setting'});
	t.like(await checkLive(String(port), {...subject, program: 'curl', env: {RSOCKET_RULES: 'use tcp client curl *'}}), {verdict: 'stays', reason: 'rule'});
	t.like(await checkLive(String(port), {...subject, program: 'wget', env: {RSOCKET_RULES: 'use tcp client curl *'}}), {verdict: 'promotes'});
});

test('a server that is silent, or closes', async t => {
	const silent = await listen(t, '127.0.0.1', socket => {
		socket.resume();
	});
	t.like(await checkLive(String(silent), {...subject, send: 'x', count: 2, timeoutMs: 2000}), {verdict: 'stays', talk: {answers: 0, promoted: false, shmBytes: 0}});
	const curt = await listen(t, '127.0.0.1', socket => {
		socket.once('data', () => {
			socket.end('one');
		});
	});
	t.like(await checkLive(String(curt), {...subject, send: 'x', count: 5}), {talk: {answers: 1}});
});

test('what is asked must be right, and somebody must be there', async t => {
	await t.throwsAsync(checkLive('nonsense', subject), {instanceOf: CliError, message: /not of the form/});
	await t.throwsAsync(checkLive('1', {...subject, send: String.raw`\q`}), {instanceOf: CliError, message: /says nothing/});
	await t.throwsAsync(checkLive('127.0.0.1:1', subject), {instanceOf: CliError, message: /nobody listens there/});
});
