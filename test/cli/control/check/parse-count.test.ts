import test from 'ava';
import {parseCount} from '../../../../cli/control/check/parse-count.js';

test('numbers from a least one', t => {
	t.is(parseCount('jobs', '12', 1), 12);
	for (const text of ['0', '-1', '1.5', '', 'x', '1e3', '9999999']) {
		t.throws(() => parseCount('jobs', text, 1), {message: `--jobs cannot be "${text}"`});
	}
});
