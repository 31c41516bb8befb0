import {once} from 'node:events';
import net, {type AddressInfo} from 'node:net';
import test, {type ExecutionContext} from 'ava';
import {type Address} from '../../../../cli/control/rsocket/connect-any.js';
import {getEngine} from '../../../../cli/control/rsocket/engine.js';
import {type SocketError} from '../../../../cli/control/rsocket/errors.js';
import {Listener, openListener} from '../../../../cli/control/rsocket/listener.js';

const localhost: Address = {address: '127.0.0.1', family: 4};

function open(t: ExecutionContext, addresses: readonly Address[] = [localhost], change: Partial<Parameters<typeof openListener>[1]> = {}): Listener {
	const opened = openListener(addresses, {port: 0, backlog: 511, ipv6Only: false, ...change});
	if (!(opened instanceof Listener)) {
		throw opened;
	}

	t.teardown(() => {
		opened.close();
	});
	return opened;
}

function fail(t: ExecutionContext, ...args: Parameters<typeof openListener>): SocketError {
	const opened = openListener(...args);
	t.false(opened instanceof Listener);
	return opened as SocketError;
}

test('the first address that this host has', t => {
	t.is(open(t, [{address: '192.0.2.1', family: 4}, localhost, {address: '::1', family: 6}]).name?.address, '127.0.0.1');
	t.like(open(t, [{address: '::1', family: 6}]).name, {address: '::1', family: 'IPv6'});
	t.true((open(t).name?.port ?? 0) > 0);
});

test('why on none: as listen tells it, with the last address', async t => {
	const options = {port: 0, backlog: 1, ipv6Only: false};
	t.like(fail(t, [{address: '192.0.2.1', family: 4}], options), {code: 'EADDRNOTAVAIL', syscall: 'listen', address: '192.0.2.1', port: 0});
	const none = fail(t, [], options);
	t.is(none.code, 'EAFNOSUPPORT');
	t.false('address' in none);
	const server = net.createServer().listen(0, '127.0.0.1');
	t.teardown(() => server.close());
	await once(server, 'listening');
	const {port} = server.address() as AddressInfo;
	// A port that is taken is not looked for elsewhere.
	const taken = fail(t, [localhost, {address: '127.0.0.2', family: 4}], {...options, port});
	t.like(taken, {code: 'EADDRINUSE', address: '127.0.0.1', port, message: `listen EADDRINUSE: address already in use 127.0.0.1:${port}`});
});

test('ipv6Only leaves the port to IPv4', t => {
	const six = open(t, [{address: '::', family: 6}], {ipv6Only: true});
	t.is(open(t, [{address: '0.0.0.0', family: 4}], {port: six.name?.port ?? 0}).name?.port, six.name?.port);
	const both = open(t, [{address: '::', family: 6}]);
	t.like(fail(t, [{address: '0.0.0.0', family: 4}], {port: both.name?.port ?? 0, backlog: 1, ipv6Only: false}), {code: 'EADDRINUSE'});
});

test('more connections than one turn accepts are all accepted', async t => {
	const listener = open(t);
	const {port} = listener.name!;
	const clients = Array.from({length: 150}, () => net.connect(port, '127.0.0.1').on('error', () => undefined));
	t.teardown(() => {
		for (const client of clients) {
			client.destroy();
		}
	});
	// They wait in the kernel: nobody has said yet what is to become of them.
	const ids = await new Promise<number[]>(resolve => {
		const accepted: number[] = [];
		listener.start(id => {
			accepted.push(id);
			if (accepted.length === clients.length) {
				resolve(accepted);
			}
		});
		listener.onReady();
	});
	t.is(new Set(ids).size, clients.length);
	for (const id of ids) {
		getEngine().close(id);
	}
});

test('a close from within ends the accepting, and comes twice without harm', async t => {
	const listener = open(t);
	const {port} = listener.name!;
	let accepted = 0;
	const closed = new Promise<void>(resolve => {
		listener.start(id => {
			accepted++;
			getEngine().close(id);
			listener.close();
			listener.close();
			resolve();
		});
	});
	const clients = [1, 2, 3].map(() => net.connect(port, '127.0.0.1').on('error', () => undefined));
	await closed;
	listener.onTurn();
	t.is(accepted, 1);
	t.is(listener.name, undefined);
	listener.referenced = true;
	for (const client of clients) {
		client.destroy();
	}
});
