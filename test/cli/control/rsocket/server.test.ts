import {AsyncLocalStorage} from 'node:async_hooks';
import {once} from 'node:events';
import {type AddressInfo, type Socket} from 'node:net';
import {
	both, connectPair, ignore, listen, nextError, readAll,
} from '../../helpers/both-sockets.js';

both('listening, address and close', async (t, api) => {
	const server = api.createServer();
	t.false(server.listening);
	t.is(server.address(), null);
	server.listen({port: 0, host: 'localhost', backlog: 10});
	await once(server, 'listening');
	t.true(server.listening);
	t.true((server.address() as AddressInfo).port > 0);
	t.throws(() => server.listen(0), {code: 'ERR_SERVER_ALREADY_LISTEN'});
	server.close();
	await once(server, 'close');
	t.false(server.listening);
	const error = await new Promise<Error | undefined>(resolve => {
		server.close(resolve);
	});
	t.is((error as NodeJS.ErrnoException).code, 'ERR_SERVER_NOT_RUNNING');
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	server.close();
});

both('any address', async (t, api) => {
	const server = api.createServer(socket => {
		socket.end('any');
	}).listen(0);
	t.teardown(() => server.close());
	await once(server, 'listening');
	t.is(await readAll(api.createConnection((server.address() as AddressInfo).port, '127.0.0.1')), 'any');
});

both('an address in use', async (t, api) => {
	const first = await listen(t, api, ignore);
	const second = api.createServer().listen(first.port, '127.0.0.1');
	const error = await nextError(second);
	t.like(error, {
		code: 'EADDRINUSE', errno: -98, syscall: 'listen', address: '127.0.0.1', port: first.port, message: `listen EADDRINUSE: address already in use 127.0.0.1:${first.port}`,
	});
	t.false(second.listening);
});

both('close waits for the connections', async (t, api) => {
	const {client, served, server} = await connectPair(t, api);
	let closed = false;
	server.close(() => {
		closed = true;
	});
	client.write('still there');
	await once(served, 'data');
	t.false(closed);
	client.destroy();
	await once(server, 'close');
	t.true(closed);
});

both('getConnections and maxConnections', async (t, api) => {
	const server = await listen(t, api, socket => {
		socket.resume();
	});
	server.maxConnections = 1;
	const first = api.createConnection(server.port, '127.0.0.1');
	await once(server, 'connection');
	const second = api.createConnection(server.port, '127.0.0.1').resume();
	const [dropped] = await once(server, 'drop') as [object];
	t.like(dropped, {localPort: server.port, remoteFamily: 'IPv4'});
	await once(second, 'close');
	t.is(await new Promise(resolve => {
		server.getConnections((_error, count) => {
			resolve(count);
		});
	}), 1);
	first.destroy();
});

both('pauseOnConnect', async (t, api) => {
	const {client, served} = await connectPair(t, api, {server: {pauseOnConnect: true}});
	client.end('later');
	t.true(served.isPaused());
	served.resume();
	const [bytes] = await once(served, 'data') as [Buffer];
	t.is(String(bytes), 'later');
});

both('many connections', async (t, api) => {
	const server = await listen(t, api, socket => {
		socket.pipe(socket);
	});
	const clients = Array.from({length: 200}, () => api.createConnection(server.port, '127.0.0.1'));
	const answers = await Promise.all(clients.map(async (client, index) => {
		client.end(`client ${index}`);
		return readAll(client);
	}));
	t.deepEqual(answers, clients.map((_, index) => `client ${index}`));
});

both('listeners run in the context of their socket', async (t, api) => {
	const storage = new AsyncLocalStorage<string>();
	const server = await listen(t, api, socket => {
		socket.end('x');
	});
	const contexts = await Promise.all(['one', 'two'].map(async name => storage.run(name, async () => new Promise<string | undefined>(resolve => {
		const client: Socket = api.createConnection(server.port, '127.0.0.1');
		client.on('data', () => {
			resolve(storage.getStore());
		});
	}))));
	t.deepEqual(contexts, ['one', 'two']);
});

both('aborted', async (t, api) => {
	const controller = new AbortController();
	const server = api.createServer().listen({port: 0, host: '127.0.0.1', signal: controller.signal});
	await once(server, 'listening');
	controller.abort();
	await once(server, 'close');
	t.false(server.listening);
});
