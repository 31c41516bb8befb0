import {Buffer} from 'node:buffer';
import {createHash} from 'node:crypto';
import {once} from 'node:events';
import {Readable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {setTimeout as sleep} from 'node:timers/promises';
import {
	both, connectPair, listen, nextError, readAll, record,
} from '../../helpers/both-sockets.js';

both('half-close', async (t, api) => {
	const {client, served} = await connectPair(t, api, {server: {allowHalfOpen: true}, client: {allowHalfOpen: true}});
	client.end('question');
	let question = '';
	served.on('data', bytes => {
		question += String(bytes);
	});
	await once(served, 'end');
	t.is(question, 'question');
	t.is(served.readyState, 'writeOnly');
	t.is(client.readyState, 'readOnly');
	served.end('answer');
	t.is(await readAll(client), 'answer');
});

both('without allowHalfOpen the end is answered', async (t, api) => {
	const {client, served} = await connectPair(t, api);
	const log = record(served, 'end', 'finish', 'close');
	served.resume();
	client.end();
	await Promise.all([once(client.resume(), 'close'), once(served, 'close')]);
	t.deepEqual(log, ['end', 'finish', 'close false']);
});

both('back-pressure and drain', async (t, api) => {
	const {client, served} = await connectPair(t, api);
	const chunk = Buffer.alloc(1_048_576, 'x');
	served.pause();
	let chunks = 0;
	while (client.write(chunk) || chunks < 64) {
		chunks++;
	}

	t.true(client.writableNeedDrain);
	t.true(client.writableLength > 0);
	t.is(client.bytesWritten, (chunks + 1) * chunk.length);
	await sleep(50);
	t.is(served.bytesRead <= 1_048_576 * 8, true);
	let length = 0;
	served.on('data', bytes => {
		length += bytes.length;
	});
	served.resume();
	await once(client, 'drain');
	client.end();
	await once(served, 'end');
	t.is(length, (chunks + 1) * chunk.length);
});

both('a large transfer both ways', async (t, api) => {
	const server = await listen(t, api, socket => {
		void pipeline(socket, socket);
	});
	const client = api.createConnection(server.port, '127.0.0.1');
	const sent = createHash('sha1');
	const received = createHash('sha1');
	function * blocks() {
		for (let index = 0; index < 400; index++) {
			const block = Buffer.alloc(1 + ((index * 7919) % 300_000), index % 251);
			sent.update(block);
			yield block;
		}
	}

	await Promise.all([
		pipeline(Readable.from(blocks(), {objectMode: false}), client),
		(async () => {
			for await (const bytes of client) {
				received.update(bytes as Buffer);
			}
		})(),
	]);
	t.is(received.digest('hex'), sent.digest('hex'));
});

both('many small messages, corked and not', async (t, api) => {
	const {client, served} = await connectPair(t, api);
	let text = '';
	for (let index = 0; index < 3000; index++) {
		if (index === 1000) {
			client.cork();
		}

		client.write(`${index},`);
		text += `${index},`;
	}

	client.uncork();
	client.write('');
	client.end();
	t.is(await readAll(served), text);
});

both('encodings', async (t, api) => {
	const {client, served} = await connectPair(t, api);
	served.setEncoding('utf8');
	client.write(Buffer.from('ä').subarray(0, 1));
	await sleep(20);
	client.write(Buffer.from('ä').subarray(1));
	client.end('e9', 'hex');
	const pieces: unknown[] = [];
	for await (const piece of served) {
		pieces.push(piece);
	}

	t.is(pieces.join(''), 'ä\u{FFFD}');
});

both('pause and resume', async (t, api) => {
	const {client, served} = await connectPair(t, api);
	let text = '';
	served.on('data', bytes => {
		text += String(bytes);
		served.pause();
	});
	client.write('one');
	await once(served, 'pause');
	client.write('two');
	await sleep(50);
	t.is(text, 'one');
	served.resume();
	await once(served, 'pause');
	t.is(text, 'onetwo');
});

both('readable and read', async (t, api) => {
	const {client, served} = await connectPair(t, api);
	client.write('abcdef');
	await once(served, 'readable');
	t.is(String(served.read(3)), 'abc');
	t.is(String(served.read()), 'def');
	t.is(served.read(), null);
});

both('the idle timeout', async (t, api) => {
	const {client, served} = await connectPair(t, api, {client: {timeout: 80}});
	t.is(client.timeout, 80);
	served.write('x');
	client.resume();
	const begin = performance.now();
	await once(client, 'timeout');
	t.true(performance.now() - begin >= 60);
	t.false(client.destroyed);
	client.setTimeout(0);
	t.is(client.timeout, 0);
	t.throws(() => client.setTimeout(-1), {code: 'ERR_OUT_OF_RANGE'});
});

both('destroy with an error', async (t, api) => {
	const {client, served} = await connectPair(t, api);
	const log = record(client, 'error', 'end', 'close');
	served.resume();
	client.destroy(new Error('mine'));
	const error = await nextError(client);
	t.is(error.message, 'mine');
	await once(served, 'close');
	t.deepEqual(log, ['error', 'close true']);
});

both('a reset of the peer', async (t, api) => {
	const {client, served} = await connectPair(t, api);
	client.resume();
	served.resetAndDestroy();
	const error = await nextError(client);
	t.like(error, {code: 'ECONNRESET', syscall: 'read', errno: -104, message: 'read ECONNRESET'});
});

both('destroySoon', async (t, api) => {
	const {client, served} = await connectPair(t, api);
	client.write('all of it');
	client.destroySoon();
	t.is(await readAll(served), 'all of it');
});

both('write callbacks come in order', async (t, api) => {
	const {client, served} = await connectPair(t, api);
	const log: number[] = [];
	served.resume();
	await Promise.all([1, 2, 3].map(async number => new Promise<void>(resolve => {
		client.write(Buffer.alloc(500_000), () => {
			log.push(number);
			resolve();
		});
	})));
	t.deepEqual(log, [1, 2, 3]);
});
