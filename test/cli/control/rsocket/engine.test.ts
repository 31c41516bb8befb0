import {Buffer} from 'node:buffer';
import {constants} from 'node:os';
import {setImmediate as nextImmediate} from 'node:timers/promises';
import test from 'ava';
import {getEngine, type Watched} from '../../../../cli/control/rsocket/engine.js';
import {connectRaw, whenReady} from '../../helpers/raw-sockets.js';

const {EAGAIN, EBADF} = constants.errno;

test('one for all of this thread', t => {
	t.is(getEngine(), getEngine());
});

test('a few bytes are copied, many are given away: what was received before stays', async t => {
	const engine = getEngine();
	const {client, served} = await connectRaw(t);
	t.is(engine.receive(served), -EAGAIN);
	const exchange = async (bytes: Buffer): Promise<Buffer> => {
		const pieces: Buffer[] = [];
		for (let sent = 0, length = 0; length < bytes.length;) {
			if (sent < bytes.length) {
				const more = engine.calls.send(client, [bytes], 0, sent);
				sent += Math.max(more, 0);
			}

			const piece = await whenReady(served, () => engine.receive(served));
			if (typeof piece === 'number') {
				throw new TypeError(`receive: ${piece}`);
			}

			pieces.push(piece);
			length += piece.length;
		}

		return Buffer.concat(pieces);
	};

	const [small, large] = [Buffer.alloc(10, 1), Buffer.alloc(60_000, 2)];
	const received: Buffer[] = [];
	for (const bytes of [small, large, small, large]) {
		received.push(await exchange(bytes));
	}

	t.true(received.every((bytes, index) => bytes.equals(index % 2 === 0 ? small : large)));
	engine.calls.shutdown(client);
	t.is(await whenReady(served, () => engine.receive(served)), 0);
});

test('a number that is none any more', t => {
	const engine = getEngine();
	const id = engine.calls.create(4);
	engine.close(id);
	t.is(engine.receive(id), -EBADF);
	t.is(engine.calls.shutdown(id), -EBADF);
	t.not(engine.calls.create(4), id);
});

function watched(log: string[], name: string, onTurn: () => void = () => undefined): Watched {
	return {
		onReady() {
			log.push(`${name} ready`);
		},
		onTurn() {
			log.push(name);
			onTurn();
		},
	};
}

test.serial('what is scheduled has one turn, the next one', async t => {
	const engine = getEngine();
	const log: string[] = [];
	const [one, two] = [watched(log, 'one'), watched(log, 'two')];
	const {turn} = engine;
	engine.schedule(one, true);
	engine.schedule(one, true);
	engine.schedule(two, true);
	t.deepEqual(log, []);
	t.is(engine.turn, turn);
	await nextImmediate();
	t.deepEqual(log, ['one', 'two']);
	t.is(engine.turn, turn + 1);
	await nextImmediate();
	t.deepEqual(log, ['one', 'two']);
});

test.serial('what schedules itself again has its turn in the one after', async t => {
	const engine = getEngine();
	const log: string[] = [];
	let left = 3;
	const again: Watched = watched(log, 'again', () => {
		if (--left > 0) {
			engine.schedule(again, true);
		}
	});
	engine.schedule(again, true);
	for (const expected of [1, 2, 3, 3]) {
		await nextImmediate();
		t.is(log.length, expected);
	}
});

test.serial('what is closed has no turn any more, and hears nothing', async t => {
	const engine = getEngine();
	const log: string[] = [];
	const id = engine.calls.create(4);
	const gone = watched(log, 'gone');
	engine.watch(id, gone);
	engine.schedule(gone, true);
	// Closed by what has its turn before it.
	const second = engine.calls.create(4);
	const late = watched(log, 'late');
	engine.watch(second, late);
	engine.schedule(watched(log, 'first', () => {
		engine.close(second);
	}), true);
	engine.schedule(late, true);
	engine.close(id);
	await nextImmediate();
	await nextImmediate();
	t.deepEqual(log, ['first']);
});
