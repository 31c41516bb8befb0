import {once} from 'node:events';
import {request, type IncomingMessage} from 'node:http';
import net, {type AddressInfo} from 'node:net';
import {text} from 'node:stream/consumers';
import test, {type ExecutionContext} from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {page} from '../../../../cli/control/stat/page.js';
import {serveStatistics} from '../../../../cli/control/stat/serve-statistics.js';
import {loadNative, type Native} from '../../../../cli/native.js';

const native = loadNative();

type Running = {readonly port: number; stop(): Promise<void>};

async function start(t: ExecutionContext, own: Native = native): Promise<Running> {
	const controller = new AbortController();
	return new Promise((resolve, reject) => {
		const ended = serveStatistics(own, {port: 0, signal: controller.signal, onListening(port) {
			resolve({port, stop});
		}});
		ended.catch(reject);
		const stop = async (): Promise<void> => {
			controller.abort();
			await ended;
		};

		t.teardown(stop);
	});
}

async function ask({port}: Running, path: string, {method = 'GET', host = `127.0.0.1:${port}`}: {readonly method?: string; readonly host?: string} = {}) {
	// A connection each: one that is kept may be closed just when it is used again.
	const sent = request({port, host: '127.0.0.1', path, method, headers: {host}, agent: false}).end();
	const [response] = await once(sent, 'response') as [IncomingMessage];
	return {status: response.statusCode, headers: response.headers, body: await text(response)};
}

test('the page, with headers that let it load nothing else', async t => {
	const answer = await ask(await start(t), '/');
	t.is(answer.status, 200);
	t.is(answer.body, page);
	t.like(answer.headers, {'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff'});
	t.regex(String(answer.headers['content-security-policy']), /^default-src 'none'; connect-src 'self';.*frame-ancestors 'none'$/);
});

test('only by the names of this host', async t => {
	const running = await start(t);
	for (const host of ['127.0.0.1', '127.0.0.1:1', 'localhost', 'LOCALHOST:80', '[::1]', '[::1]:80']) {
		t.is((await ask(running, '/metrics', {host})).status, 200, `${host}`);
	}

	for (const host of ['attacker.example', '127.0.0.1.attacker.example', 'localhost.attacker.example:80', 'attacker.example:127.0.0.1', '10.0.0.1', 'localhost:', '127.0.0.1:80:80']) {
		const answer = await ask(running, '/metrics', {host});
		t.is(answer.status, 403, `${host}`);
		t.is(answer.body, 'Only by the name of this host.\n');
	}
});

test('a request without a name is not answered', async t => {
	const running = await start(t);
	const socket = net.connect(running.port, '127.0.0.1');
	socket.end('GET /metrics HTTP/1.0\r\n\r\n');
	t.regex(await text(socket), /^HTTP\/1\.[01] 403 /);
});

test('only what is there, only to read', async t => {
	const running = await start(t);
	for (const path of ['/other', '/metrics/', '//metrics', '/__proto__', '/constructor', '/snapshot.jso', '/%2e%2e/etc/passwd']) {
		const {status, body} = await ask(running, path);
		t.is(status, 404, `${path}`);
		t.is(body, 'There are / (a page), /metrics (for Prometheus) and /snapshot.json.\n');
	}

	for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
		const {status, headers} = await ask(running, '/', {method});
		t.is(status, 405, `${method}`);
		t.is(headers.allow, 'GET, HEAD');
	}

	t.like(await ask(running, '/snapshot.json', {method: 'HEAD'}), {status: 200, body: ''});
	t.is((await ask(running, '/metrics?a=/b?c')).status, 200);
});

test('a look that fails is told, and the next one may succeed', async t => {
	let isBroken = true;
	const running = await start(t, {...native, reasons() {
		if (isBroken) {
			throw new Error('no table');
		}

		return native.reasons();
	}});
	t.like(await ask(running, '/snapshot.json'), {status: 500, body: 'no table\n'});
	t.is((await ask(running, '/')).status, 200);
	isBroken = false;
	const {status, body} = await ask(running, '/snapshot.json');
	t.is(status, 200);
	t.like(JSON.parse(body), {version: 1});
});

test('open connections do not keep it', async t => {
	const running = await start(t);
	const idle = net.connect(running.port, '127.0.0.1');
	await once(idle, 'connect');
	const half = net.connect(running.port, '127.0.0.1');
	half.write('GET / HTTP/1.1\r\n');
	await once(half, 'connect');
	const closed = Promise.all([idle, half].map(async socket => new Promise<void>(resolve => {
		// Whether by FIN or by RST.
		socket.on('error', () => undefined).once('close', () => {
			resolve();
		}).resume();
	})));
	await running.stop();
	await closed;
	await t.throwsAsync(ask(running, '/'), {code: 'ECONNREFUSED'});
});

test('a port that is taken, and an end before the start', async t => {
	const server = net.createServer().listen(0, '127.0.0.1');
	t.teardown(() => server.close());
	await once(server, 'listening');
	const {port} = server.address() as AddressInfo;
	const never = () => {
		t.fail();
	};

	const error = await t.throwsAsync(serveStatistics(native, {port, signal: new AbortController().signal, onListening: never}), {instanceOf: CliError});
	t.like(error, {code: 'listen', message: `port ${port} of 127.0.0.1 cannot be listened on (EADDRINUSE)`, remedy: 'Give another --port; 0 takes a free one.'});
	await t.notThrowsAsync(serveStatistics(native, {port: 0, signal: AbortSignal.abort(), onListening: never}));
});
