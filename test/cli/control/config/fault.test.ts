import test from 'ava';
import {formatFault} from '../../../../cli/control/config/fault.js';

test('where, what and what would be right; a whole file has no line', t => {
	t.is(formatFault({file: 'a', line: 2, message: 'm', remedy: 'R.'}), 'a:2: m. R.');
	t.is(formatFault({file: 'a', line: 0, message: 'm', remedy: 'R.'}), 'a:0: m. R.');
	t.is(formatFault({file: 'b', message: 'n', remedy: 'S.'}), 'b: n. S.');
});
