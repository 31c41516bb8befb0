/** Rsockets by number, as the engine has them. */
import {constants} from 'node:os';
import type {ExecutionContext} from 'ava';
import {getEngine} from '../../../cli/control/rsocket/engine.js';

const {EAGAIN} = constants.errno;

/** Listens on a free port of 127.0.0.1 until the test ends, and accepts nothing by itself. */
export function listenRaw(t: ExecutionContext, backlog = 16): {readonly id: number; readonly port: number} {
	const engine = getEngine();
	const id = engine.calls.create(4);
	t.is(engine.calls.bind(id, '127.0.0.1', 0, false), 0);
	t.is(engine.calls.listen(id, backlog), 0);
	t.teardown(() => {
		engine.close(id);
	});
	const name = engine.calls.name(id, false);
	return {id, port: typeof name === 'object' ? name.port : 0};
}

/** Looks now, and again whenever the engine says that `id` is ready, until there is a result other than EAGAIN. */
export async function whenReady<Result>(id: number, look: () => Result): Promise<Result> {
	const engine = getEngine();
	return new Promise(resolve => {
		let isDone = false;
		const onReady = (): void => {
			const result = isDone ? -EAGAIN : look();
			if (result !== -EAGAIN) {
				isDone = true;
				engine.release();
				resolve(result as Result);
			}
		};

		engine.hold();
		engine.watch(id, {onReady, onTurn: onReady});
		onReady();
	});
}

/** Both ends of a connection, until the test ends. */
export async function connectRaw(t: ExecutionContext): Promise<{readonly client: number; readonly served: number}> {
	const engine = getEngine();
	const listening = listenRaw(t);
	const client = engine.calls.create(4);
	t.is(engine.calls.connect(client, '127.0.0.1', listening.port), 0);
	t.is(await whenReady(client, () => engine.calls.connected(client)), 0);
	const served = await whenReady(listening.id, () => engine.calls.accept(listening.id));
	t.true(served >= 0);
	t.teardown(() => {
		engine.close(client);
		engine.close(served);
	});
	return {client, served};
}
