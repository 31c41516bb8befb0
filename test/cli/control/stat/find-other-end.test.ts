import {createServer, connect, type AddressInfo} from 'node:net';
import {once} from 'node:events';
import process from 'node:process';
import test from 'ava';
import {findOtherEnd} from '../../../../cli/control/stat/find-other-end.js';
import {liveConnection} from '../../helpers/live-connection.js';

const base = liveConnection({pid: process.pid});

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
