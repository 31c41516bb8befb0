import test from 'ava';
import {readEscapes} from '../../../../cli/control/check/escapes.js';

test('control characters', t => {
	t.is(readEscapes(String.raw`PING\r\n\t\0\x41\\n`), 'PING\r\n\t\0A\\n');
	t.is(readEscapes(''), '');
});

for (const text of ['\\', String.raw`\q`, String.raw`\x4`, String.raw`a\xzz`]) {
	test(`${text} says nothing`, t => {
		t.throws(() => readEscapes(text), {name: 'CliError', message: /says nothing/});
	});
}
