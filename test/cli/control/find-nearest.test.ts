import test from 'ava';
import {findNearest} from '../../../cli/control/find-nearest.js';

const names = ['polling_time', 'ring_size', 'transport'];

test('finds the name with a letter missing, added, changed or swapped', t => {
	t.is(findNearest('poling_time', names), 'polling_time');
	t.is(findNearest('ring_sizes', names), 'ring_size');
	t.is(findNearest('tronsport', names), 'transport');
	t.is(findNearest('trasnport', names), 'transport');
	t.is(findNearest('tpc', ['auto', 'shm', 'tcp']), 'tcp');
	t.is(findNearest('laetncy', ['latency', 'balanced']), 'latency');
});

test('names nothing for what is no typing error', t => {
	t.is(findNearest('xyz', names), undefined);
	t.is(findNearest('', names), undefined);
});
