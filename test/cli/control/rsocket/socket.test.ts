import {once} from 'node:events';
import {type LookupFunction} from 'node:net';
import test from 'ava';
import {rsocket} from '../../../../cli/index.js';
import {
	both, connectPair, freePort, ignore, listen, nextError, readAll, record,
} from '../../helpers/both-sockets.js';

both('events and properties of a connection', async (t, api) => {
	const server = await listen(t, api, socket => {
		socket.end('hello');
	});
	const client = api.createConnection(server.port, '127.0.0.1');
	const log = record(client, 'lookup', 'connect', 'ready', 'data', 'end', 'finish', 'close');
	t.true(client.connecting);
	t.true(client.pending);
	t.is(client.readyState, 'opening');
	t.deepEqual(client.address(), {});
	t.is(client.remoteAddress, undefined);
	await once(client, 'connect');
	t.false(client.connecting);
	t.false(client.pending);
	t.is(client.readyState, 'open');
	t.is(client.remoteAddress, '127.0.0.1');
	t.is(client.remotePort, server.port);
	t.is(client.remoteFamily, 'IPv4');
	t.is(client.localAddress, '127.0.0.1');
	t.deepEqual(client.address(), {address: '127.0.0.1', family: 'IPv4', port: client.localPort!});
	await once(client.resume(), 'close');
	t.is(client.readyState, 'closed');
	t.is(client.bytesRead, 5);
	t.deepEqual(log.filter(name => name !== 'lookup'), ['connect', 'ready', 'data', 'end', 'finish', 'close false']);
	t.is(client.remoteAddress, '127.0.0.1');
});

both('refused', async (t, api) => {
	const port = await freePort();
	const client = api.createConnection({port, host: '127.0.0.1'});
	const log = record(client, 'connect', 'error', 'close');
	const error = await nextError(client);
	t.like(error, {code: 'ECONNREFUSED', errno: -111, syscall: 'connect', address: '127.0.0.1', port, message: `connect ECONNREFUSED 127.0.0.1:${port}`});
	await once(client, 'close');
	t.deepEqual(log, ['error', 'close true']);
	t.true(client.destroyed);
});

both('a name with several addresses', async (t, api) => {
	const lookup: LookupFunction = (_name, _options, callback) => {
		callback(null, [{address: '::1', family: 6}, {address: '127.0.0.1', family: 4}]);
	};

	const server = await listen(t, api, socket => {
		socket.end('found');
	});
	t.is(await readAll(api.createConnection({port: server.port, host: 'some.name', lookup})), 'found');
	const client = api.createConnection({port: await freePort(), host: 'some.name', lookup});
	const error = await nextError(client);
	t.is(error.code, 'ECONNREFUSED');
	t.is(error.errors?.length, 2);
});

both('no such name', async (t, api) => {
	const client = api.createConnection({port: 1, host: 'no-such-name.invalid', lookup(_name, _options, callback) {
		callback(Object.assign(new Error('getaddrinfo ENOTFOUND'), {code: 'ENOTFOUND'}), []);
	}});
	const error = await nextError(client);
	t.is(error.code, 'ENOTFOUND');
});

both('what is wrong with the call', async (t, api) => {
	t.throws(() => api.createConnection(70_000), {code: 'ERR_SOCKET_BAD_PORT', instanceOf: RangeError});
});

both('the local end', async (t, api) => {
	const localPort = await freePort();
	const {client, served} = await connectPair(t, api, {client: {localAddress: '127.0.0.2', localPort}});
	t.is(client.localAddress, '127.0.0.2');
	t.is(served.remoteAddress, '127.0.0.2');
	t.is(served.remotePort, localPort);
});

both('IPv6', async (t, api) => {
	const server = api.createServer(socket => {
		socket.end(String(socket.remoteFamily));
	}).listen({port: 0, host: '::1'});
	t.teardown(() => server.close());
	await once(server, 'listening');
	const client = api.createConnection({port: (server.address() as {port: number}).port, host: '::1'});
	await once(client, 'connect');
	t.is(client.remoteAddress, '::1');
	t.is(await readAll(client), 'IPv6');
});

both('written before it is connected', async (t, api) => {
	const server = await listen(t, api, socket => {
		socket.pipe(socket);
	});
	const client = api.createConnection(server.port, '127.0.0.1');
	client.write('one ');
	client.write('two');
	t.is(client.bytesWritten, 7);
	client.end();
	t.is(await readAll(client), 'one two');
	t.is(client.bytesWritten, 7);
});

both('destroyed before it is connected', async (t, api) => {
	const server = await listen(t, api, () => {
		t.fail();
	});
	const client = api.createConnection(server.port, '127.0.0.1');
	const log = record(client, 'connect', 'error', 'close');
	const written = new Promise<NodeJS.ErrnoException | null | undefined>(resolve => {
		client.write('never', resolve);
	});
	client.destroy();
	await once(client, 'close');
	t.deepEqual(log, ['close false']);
	t.regex((await written)?.code ?? '', /^ERR_(SOCKET_CLOSED_BEFORE_CONNECTION|STREAM_DESTROYED)$/);
});

both('aborted', async (t, api) => {
	const server = await listen(t, api, ignore);
	const controller = new AbortController();
	const client = api.createConnection({port: server.port, host: '127.0.0.1', signal: controller.signal});
	await once(client, 'connect');
	controller.abort();
	const error = await nextError(client);
	t.is(error.name, 'AbortError');
});

both('options of TCP', async (t, api) => {
	const {client, served} = await connectPair(t, api, {client: {noDelay: true, keepAlive: true, keepAliveInitialDelay: 5000}, server: {noDelay: true}});
	t.is(client.setNoDelay(false), client);
	t.is(client.setKeepAlive(true, 1000), client);
	t.is(served.setKeepAlive(), served);
	client.end('x');
	t.is(await readAll(served), 'x');
});

test('a socket that nobody connected', async t => {
	const socket = new rsocket.Socket();
	t.true(socket.pending);
	t.is(socket.carrier(), undefined);
	const error = new Promise<NodeJS.ErrnoException>(resolve => {
		socket.on('error', resolve);
	});
	socket.write('x');
	t.is((await error).code, 'ERR_SOCKET_CLOSED');
});
