/** Errors as Node's own sockets make them: `net` is the oracle. */
import {once} from 'node:events';
import net, {type AddressInfo} from 'node:net';
import {constants} from 'node:os';
import test from 'ava';
import {checkPort, codedError, joinErrors, systemError} from '../../../../cli/control/rsocket/errors.js';
import {freePort, nextError} from '../../helpers/both-sockets.js';

/** What a program can see of an error. */
function visible(error: NodeJS.ErrnoException): Record<string, unknown> {
	return {...error, name: error.name, message: error.message};
}

test('a call that failed', async t => {
	const port = await freePort();
	t.deepEqual(visible(systemError(-constants.errno.ECONNREFUSED, 'connect', {address: '127.0.0.1', port})), visible(await nextError(net.connect(port, '127.0.0.1'))));
	const server = net.createServer().listen(0, '127.0.0.1');
	t.teardown(() => server.close());
	await once(server, 'listening');
	const taken = (server.address() as AddressInfo).port;
	t.deepEqual(visible(systemError(-constants.errno.EADDRINUSE, 'listen', {address: '127.0.0.1', port: taken})), visible(await nextError(net.createServer().listen(taken, '127.0.0.1'))));
});

test('one without an address, and one that no system knows', t => {
	t.deepEqual(visible(systemError(-constants.errno.EPIPE, 'write')), {name: 'Error', message: 'write EPIPE', errno: -constants.errno.EPIPE, code: 'EPIPE', syscall: 'write'});
	t.like(visible(systemError(-99_999, 'read')), {message: 'read UNKNOWN', code: 'UNKNOWN', errno: -99_999});
});

test('of one address its own error, of several all', t => {
	const [one, two] = [systemError(-constants.errno.ECONNREFUSED, 'connect'), systemError(-constants.errno.ETIMEDOUT, 'connect')];
	t.is(joinErrors([one]), one);
	const joined = joinErrors([one, two]) as unknown as AggregateError & {code: string};
	t.true(joined instanceof AggregateError);
	t.deepEqual(joined.errors, [one, two]);
	t.is(joined.code, 'ECONNREFUSED');
	t.is(joinErrors([]).code, 'UNKNOWN');
});

test('an error of the program', t => {
	const error = codedError('ERR_OUT_OF_RANGE', 'too much', RangeError);
	t.true(error instanceof RangeError);
	t.like(error, {code: 'ERR_OUT_OF_RANGE', message: 'too much'});
});

test('a port is what net takes for one', t => {
	for (const port of [0, 80, 65_535, '0', '80', ' 80 ', '0x50', '1e2', 65_536, -1, 1.5, Number.NaN, Infinity, '', ' ', '65536', '80x', '-1', '1.5']) {
		let isTaken = true;
		try {
			// It is not awaited: what is wrong with the port is thrown at once.
			net.connect({port: port as number, host: '127.0.0.1', lookup: () => undefined}).on('error', () => undefined).destroy();
		} catch (error) {
			isTaken = false;
			t.like(t.throws(() => checkPort(port), {instanceOf: RangeError}), {code: (error as NodeJS.ErrnoException).code}, `port ${JSON.stringify(port)}`);
		}

		if (isTaken) {
			t.is(checkPort(port), Number(port), `port ${JSON.stringify(port)}`);
		}
	}

	for (const none of [null, true, {}, [], [80]]) {
		t.throws(() => checkPort(none), {code: 'ERR_SOCKET_BAD_PORT', instanceOf: RangeError}, `port ${JSON.stringify(none)}`);
	}

	t.throws(() => checkPort(undefined), {code: 'ERR_SOCKET_BAD_PORT', message: 'Port should be >= 0 and < 65536. Received undefined.'});
});
