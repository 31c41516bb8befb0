import {Buffer} from 'node:buffer';
import {once} from 'node:events';
import http, {type IncomingMessage} from 'node:http';
import net, {type AddressInfo, type Socket} from 'node:net';
import {setTimeout as sleep} from 'node:timers/promises';
import test, {type ExecutionContext} from 'ava';
import {type rsocket} from '../../../../cli/index.js';
import {connectPair, listen, ours, readAll, type Api} from '../../helpers/both-sockets.js';

function carrierOf(socket: Socket): ReturnType<rsocket.Socket['carrier']> {
	return (socket as unknown as rsocket.Socket).carrier();
}

/** Some exchanges of a client whose server sends back what it gets. */
async function exchange(client: Socket, served: Socket): Promise<void> {
	served.pipe(served);
	for (let count = 0; count < 20; count++) {
		client.write('ping');
		await once(client, 'data');
	}
}

test('two of ours find each other', async t => {
	const {client, served} = await connectPair(t, ours);
	await exchange(client, served);
	t.like(carrierOf(client), {send: 'shm', recv: 'shm', reason: 'promoted', sendBytes: 80, recvBytes: 80});
	t.like(carrierOf(served), {send: 'shm', recv: 'shm', reason: 'promoted'});
	t.true(carrierOf(client)!.shmSendBytes > 0);
	client.destroy();
	t.is(carrierOf(client), undefined);
});

async function mixed(t: ExecutionContext, api: Api, serverApi: Api): Promise<void> {
	const {client, served} = await connectPair(t, api, {serverApi});
	const one = api === ours ? client : served;
	await exchange(client, served);
	t.like(carrierOf(one), {send: 'tcp', recv: 'tcp'});
	t.not(carrierOf(one)!.reason, 'promoted');
	client.end(Buffer.alloc(3_000_000, 'x'));
	t.is((await readAll(client)).length, 3_000_000);
}

test('a plain server', mixed, ours, net);
test('a plain client', mixed, net, ours);

test('what a promoted connection carries while the reader is paused', async t => {
	const {client, served} = await connectPair(t, ours);
	await exchange(client, served);
	served.unpipe().pause();
	for (let count = 0; count < 50; count++) {
		client.write('x'.repeat(1000));
		await sleep(1);
	}

	client.end();
	t.is((await readAll(served)).length, 50_000);
});

test('a reset of a promoted connection', async t => {
	const {client, served} = await connectPair(t, ours);
	await exchange(client, served);
	served.resetAndDestroy();
	t.like(await new Promise(resolve => {
		client.on('error', resolve);
	}), {code: 'ECONNRESET'});
});

test('the event loop stays responsive during a transfer', async t => {
	const total = 256 * 1_048_576;
	const server = await listen(t, ours, socket => {
		socket.resume();
	});
	const client = ours.createConnection(server.port, '127.0.0.1');
	t.teardown(() => client.destroy());
	await once(client, 'connect');
	const chunk = Buffer.alloc(1_048_576);
	let left = total;
	let turns = 0;
	let done = false;
	const timer = setInterval(() => {
		turns++;
	}, 1);
	const fill = () => {
		while (left > 0) {
			left -= chunk.length;
			if (!client.write(chunk)) {
				client.once('drain', fill);
				return;
			}
		}

		client.end(() => {
			done = true;
		});
	};

	fill();
	await once(client.resume(), 'close');
	clearInterval(timer);
	t.true(done);
	t.is(client.bytesWritten, total);
	t.true(turns > 20, `${turns} turns`);
});

test('http over it', async t => {
	const web = http.createServer((request, response) => {
		response.end(`${request.url} over rsocket`);
	});
	const server = ours.createServer(socket => {
		web.emit('connection', socket);
	}).listen(0, '127.0.0.1');
	t.teardown(() => server.close());
	await once(server, 'listening');
	const {port} = server.address() as AddressInfo;
	for (let count = 0; count < 3; count++) {
		const request = http.get({path: `/${count}`, createConnection: () => ours.createConnection(port, '127.0.0.1')});
		const [response] = await once(request, 'response') as [IncomingMessage];
		t.is(String(Buffer.concat(await response.toArray() as Buffer[])), `/${count} over rsocket`);
	}
});
