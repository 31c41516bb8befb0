import {once} from 'node:events';
import {AsyncLocalStorage} from 'node:async_hooks';
import net, {type AddressInfo} from 'node:net';
import process from 'node:process';
import {setImmediate as nextImmediate} from 'node:timers/promises';
import test, {type ExecutionContext} from 'ava';
import {connectAny, type Address, type Attempt} from '../../../../cli/control/rsocket/connect-any.js';
import {getEngine} from '../../../../cli/control/rsocket/engine.js';
import {type SocketError} from '../../../../cli/control/rsocket/errors.js';
import {freePort} from '../../helpers/both-sockets.js';
import {listenRaw} from '../../helpers/raw-sockets.js';

const four = (address: string): Address => ({address, family: 4});

/** The name of the other end once it is connected; or the error. */
async function attempt(t: ExecutionContext, change: Partial<Attempt> & Pick<Attempt, 'addresses' | 'port'>): Promise<string | SocketError> {
	return new Promise(resolve => {
		connectAny({
			patience: 60_000,
			onConnected(id) {
				t.teardown(() => {
					getEngine().close(id);
				});
				const name = getEngine().calls.name(id, true);
				resolve(typeof name === 'object' ? `${name.address}:${name.port}` : `errno ${name}`);
			},
			onFailed: resolve,
			...change,
		});
	});
}

async function listen(t: ExecutionContext, host = '127.0.0.1'): Promise<number> {
	const server = net.createServer(socket => {
		socket.on('error', () => undefined).resume();
	}).listen(0, host);
	t.teardown(() => server.close());
	await once(server, 'listening');
	return (server.address() as AddressInfo).port;
}

test('the first that answers, whatever is wrong with those before it', async t => {
	const port = await listen(t);
	t.is(await attempt(t, {addresses: [four('127.0.0.1')], port}), `127.0.0.1:${port}`);
	t.is(await attempt(t, {addresses: [{address: '::1', family: 6}, four('127.0.0.2'), four('127.0.0.1')], port}), `127.0.0.1:${port}`);
	t.is(await attempt(t, {addresses: [four('no address'), four('127.0.0.1'), four('127.0.0.2')], port}), `127.0.0.1:${port}`);
	const six = await listen(t, '::1');
	t.is(await attempt(t, {addresses: [{address: '::1', family: 6}], port: six}), `::1:${six}`);
});

test('one that does not answer is given up for the next', async t => {
	// Nobody accepts there: once the queue is full the kernel drops what comes.
	const {port: full} = listenRaw(t, 0);
	const waiting = Array.from({length: 4}, () => net.connect(full, '127.0.0.1').on('error', () => undefined));
	t.teardown(() => {
		for (const socket of waiting) {
			socket.destroy();
		}
	});
	await once(waiting[0]!, 'connect');
	const server = net.createServer().listen(full, '127.0.0.2');
	t.teardown(() => server.close());
	await once(server, 'listening');
	t.is(await attempt(t, {addresses: [four('127.0.0.1'), four('127.0.0.2')], port: full, patience: 1}), `127.0.0.2:${full}`);
});

test('all errors, in the order of the addresses', async t => {
	const port = await freePort();
	const alone = await attempt(t, {addresses: [four('127.0.0.1')], port}) as SocketError;
	t.like(alone, {code: 'ECONNREFUSED', syscall: 'connect', address: '127.0.0.1', port, message: `connect ECONNREFUSED 127.0.0.1:${port}`});
	const both = await attempt(t, {addresses: [four('127.0.0.2'), four('127.0.0.1')], port}) as SocketError & AggregateError;
	t.true(both instanceof AggregateError);
	t.is(both.code, 'ECONNREFUSED');
	t.deepEqual((both.errors as SocketError[]).map(({address}) => address), ['127.0.0.2', '127.0.0.1']);
	t.like(await attempt(t, {addresses: [], port}), {code: 'UNKNOWN', message: 'No address answered'});
});

test('the local end, and why it cannot be had', async t => {
	const port = await listen(t);
	const localPort = await freePort();
	t.is(await attempt(t, {addresses: [four('127.0.0.1')], port, localAddress: '127.0.0.3', localPort}), `127.0.0.1:${port}`);
	t.like(await attempt(t, {addresses: [four('127.0.0.1')], port, localAddress: '192.0.2.1'}), {code: 'EADDRNOTAVAIL', syscall: 'bind', address: '192.0.2.1', port: 0});
	t.like(await attempt(t, {addresses: [four('127.0.0.1')], port, localPort: port}), {code: 'EADDRINUSE', syscall: 'bind', address: '0.0.0.0', port});
});

test('what is given up is not told, at any moment', async t => {
	const port = await listen(t);
	let told = 0;
	const tell = (): void => {
		told++;
	};

	const begin = () => connectAny({addresses: [four('127.0.0.1')], port, patience: 60_000, onConnected: tell, onFailed: tell});
	const atOnce = begin();
	atOnce();
	atOnce();
	const onTheWay = begin();
	process.nextTick(() => {
		onTheWay();
	});
	// As many turns as another one takes to be connected.
	await attempt(t, {addresses: [four('127.0.0.1')], port});
	await nextImmediate();
	t.is(told, 0);
});

test('it is told in the context in which it was asked', async t => {
	const storage = new AsyncLocalStorage<string>();
	const port = await listen(t);
	const seen = await storage.run('mine', async () => new Promise<string | undefined>(resolve => {
		connectAny({addresses: [four('127.0.0.1')], port, patience: 60_000, onFailed() {
			t.fail();
		}, onConnected(id) {
			getEngine().close(id);
			resolve(storage.getStore());
		}});
	}));
	t.is(seen, 'mine');
});
