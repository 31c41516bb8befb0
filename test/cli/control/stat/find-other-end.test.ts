import {createServer, connect, type AddressInfo} from 'node:net';
import {once} from 'node:events';
import process from 'node:process';
import test from 'ava';
import {findOtherEnd} from '../../../../cli/control/stat/find-other-end.js';
import {type LiveConnection} from '../../../../cli/control/stat/take-snapshot.js';

const side = {transport: 'tcp', bytes: 0, shmBytes: 0, calls: 0} as const;
const base: LiveConnection = {
	pid: process.pid, program: 'p', fd: 3, role: 'connected', local: '-', peer: '-', send: side, recv: side, reason: 'new', isPromoted: false, openedAt: undefined, promotedAt: undefined,
	sleeps: 0, spins: 0, state: '-', transport: 'tcp', ageSeconds: 1, openedNs: '1',
};

test('a process without the toolkit, and nobody', async t => {
	const server = createServer().listen(0, '127.0.0.1');
	await once(server, 'listening');
	const {port} = server.address() as AddressInfo;
	const client = connect(port, '127.0.0.1');
	t.teardown(() => {
		client.destroy();
		server.close();
	});
	await once(client, 'connect');
	const local = `127.0.0.1:${client.localPort!}`;
	const end = {...base, local, peer: `127.0.0.1:${port}`};
	t.like(findOtherEnd(end, []), {kind: 'process', pid: process.pid, hasLibrary: false});
	t.deepEqual(findOtherEnd({...end, peer: '192.0.2.1:80'}, []), {kind: 'elsewhere'});
	t.deepEqual(findOtherEnd(base, [base]), {kind: 'elsewhere'});
	// Without the right to look into any process.
	t.deepEqual(findOtherEnd(end, [], '/nowhere'), {kind: 'elsewhere'});
	const other = {...base, local: end.peer, peer: local};
	t.deepEqual(findOtherEnd(end, [end, other]), {kind: 'visible', connection: other});
});
