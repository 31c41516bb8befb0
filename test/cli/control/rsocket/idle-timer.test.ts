import {EventEmitter, once} from 'node:events';
import test, {type ExecutionContext} from 'ava';
import {IdleTimer} from '../../../../cli/control/rsocket/idle-timer.js';

/** Its timer alone does not keep this worker going, as it would not a program. */
function make(t: ExecutionContext): {readonly emitter: EventEmitter; readonly timer: IdleTimer} {
	// As a socket is one.
	// eslint-disable-next-line unicorn/prefer-event-target
	const emitter = new EventEmitter();
	const keep = setInterval(() => undefined, 1000);
	t.teardown(() => {
		clearInterval(keep);
	});
	return {emitter, timer: new IdleTimer(emitter)};
}

test('silence is told once, until something happens', async t => {
	const {emitter, timer} = make(t);
	t.is(timer.timeout, undefined);
	timer.set(1);
	t.is(timer.timeout, 1);
	await once(emitter, 'timeout');
	timer.refresh();
	await once(emitter, 'timeout');
	timer.clear();
	timer.refresh();
	t.is(timer.timeout, 1);
});

test('a listener hears of it once', async t => {
	const {emitter, timer} = make(t);
	let heard = 0;
	timer.set(1, () => {
		heard++;
	});
	await once(emitter, 'timeout');
	timer.refresh();
	await once(emitter, 'timeout');
	t.is(heard, 1);
	timer.clear();
});

test('0 ends it, and takes its listener away', t => {
	const {emitter, timer} = make(t);
	const listener = (): void => {
		t.fail();
	};

	timer.set(1, listener);
	t.is(emitter.listenerCount('timeout'), 1);
	timer.set(0, listener);
	t.is(timer.timeout, 0);
	t.is(emitter.listenerCount('timeout'), 0);
	timer.set(0);
	timer.refresh();
	timer.clear();
});

test('another time takes the place of the one before', async t => {
	const {emitter, timer} = make(t);
	let heard = 0;
	timer.set(1);
	timer.set(2_000_000);
	emitter.on('timeout', () => {
		heard++;
	});
	// Timers of one length are told in the order in which they were set.
	const later = make(t);
	later.timer.set(1);
	await once(later.emitter, 'timeout');
	t.is(heard, 0);
	timer.clear();
});

test('what is no time is refused as by net, and changes nothing', t => {
	const {timer} = make(t);
	timer.set(5000);
	for (const wrong of [-1, Number.NaN, Infinity, '5', undefined, null]) {
		t.throws(() => {
			timer.set(wrong as number);
		}, {code: 'ERR_OUT_OF_RANGE', instanceOf: RangeError, message: `The value of "msecs" is out of range. It must be a non-negative finite number. Received ${String(wrong)}`});
	}

	t.is(timer.timeout, 5000);
	timer.clear();
});
