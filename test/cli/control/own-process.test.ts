import test from 'ava';
import {parseInherited} from '../../../cli/control/own-process.js';

test('reads what the launcher found', t => {
	t.deepEqual(parseInherited('8000000000000003 0000000000000100 1024 0,1,2,63'), {
		ignoredSignals: [1, 2, 64],
		blockedSignals: [9],
		openFilesSoft: 1024,
		descriptors: [0, 1, 2, 63],
	});
});

test('an unlimited or missing limit stays as it is', t => {
	t.is(parseInherited('0 0 unlimited 0').openFilesSoft, undefined);
	t.is(parseInherited(undefined).openFilesSoft, undefined);
});

test('without the launcher, standard descriptors are passed on', t => {
	t.deepEqual(parseInherited(undefined).descriptors, [0, 1, 2]);
	t.deepEqual(parseInherited('0 0 1024 ').descriptors, []);
});
