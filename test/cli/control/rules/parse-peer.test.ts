import test from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {parsePeer} from '../../../../cli/control/rules/parse-peer.js';

test('an address and a port', t => {
	t.deepEqual(parsePeer('10.0.0.5:6379'), {address: '10.0.0.5', port: 6379});
	t.deepEqual(parsePeer('[::1]:80'), {address: '::1', port: 80});
	t.is(parsePeer('[::ffff:10.1.2.3]:80').address, '10.1.2.3');
	t.is(parsePeer('[0:0::FFFF:a01:203]:80').address, '10.1.2.3');
});

test('anything else is refused, with an example', t => {
	for (const text of ['', '10.0.0.5', ':80', '10.0.0:80', 'localhost:80', '::1:80', '[10.0.0.1]:80', '[fe80::1%lo]:80', '1.2.3.4:0', '1.2.3.4:65536', '1.2.3.4:x', '1.2.3.4:80 ']) {
		const error = t.throws(() => parsePeer(text), {instanceOf: CliError}, `\`${text}\``);
		t.is(error?.code, 'peer');
		t.regex(error?.remedy ?? '', /\[::1]:6379/);
	}
});
