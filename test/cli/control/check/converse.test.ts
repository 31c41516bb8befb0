import {once} from 'node:events';
import {createServer, type AddressInfo, type Server, type Socket} from 'node:net';
import test, {type ExecutionContext} from 'ava';
import {converse, converseAlone} from '../../../../cli/control/check/converse.js';

async function serve(t: ExecutionContext, onConnection: (socket: Socket) => void): Promise<{readonly host: string; readonly port: number}> {
	const server: Server = createServer(socket => {
		socket.on('error', () => {
			socket.destroy();
		});
		onConnection(socket);
	}).listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.teardown(() => {
		server.close();
	});
	return {host: '127.0.0.1', port: (server.address() as AddressInfo).port};
}

test('a conversation with itself', async t => {
	t.is(await converseAlone(5), 5);
});

test('a server that closes in between', async t => {
	const target = await serve(t, socket => {
		socket.once('data', () => {
			socket.write('one');
			socket.once('data', () => {
				socket.end();
			});
		});
	});
	t.is(await converse({...target, text: 'x', count: 5, answerMs: 5000}), 1);
});

test('a silent server', async t => {
	const target = await serve(t, socket => {
		socket.resume();
	});
	t.is(await converse({...target, text: 'x', count: 5, answerMs: 50}), 0);
});
