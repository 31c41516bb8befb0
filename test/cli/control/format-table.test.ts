import test from 'ava';
import {formatTable} from '../../../cli/control/format-table.js';

test('columns are as wide as their widest cell, and aligned', t => {
	t.deepEqual(formatTable(['NAME', 'COUNT', 'WHY'], [['a', '1', 'x'], ['longer', '1000000', 'y']], new Set(['COUNT'])), [
		'NAME      COUNT  WHY',
		'a             1  x',
		'longer  1000000  y',
	]);
});

test('no line ends with blanks', t => {
	t.deepEqual(formatTable(['A', 'B'], [['aaa', ''], ['', 'bbb'], ['', '']], new Set()), ['A    B', 'aaa', '     bbb', '']);
	t.deepEqual(formatTable(['A', 'B'], [], new Set(['B'])), ['A  B']);
	t.deepEqual(formatTable([], [], new Set()), ['']);
});

test('a row may be shorter than the head', t => {
	t.deepEqual(formatTable(['A', 'B'], [['1'], ['2', '33']], new Set(['B'])), ['A   B', '1', '2  33']);
});
