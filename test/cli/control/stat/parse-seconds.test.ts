import test from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {parseSeconds} from '../../../../cli/control/stat/parse-seconds.js';

test('whole and broken numbers, up to both ends', t => {
	t.deepEqual(['1', '0.05', '2.5', '007', '86400', '86400.0'].map(text => parseSeconds('interval', text)), [1, 0.05, 2.5, 7, 86_400, 86_400]);
});

test('anything else is refused, with the range', t => {
	for (const text of ['', '0', '0.049', '86400.1', '-1', '+1', '1e2', '0x10', '.5', '5.', '1s', ' 1', '1\n', 'NaN', 'Infinity', '1,5', '١']) {
		const error = t.throws(() => parseSeconds('interval', text), {instanceOf: CliError}, `\`${text}\``);
		t.is(error.message, `--interval ${text} is not a number of seconds from 0.05 to 86400`);
		t.is(error.code, 'usage');
		t.is(error.remedy, 'Give --interval such a number.');
	}
});
