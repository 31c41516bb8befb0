import {execFileSync} from 'node:child_process';
import test from 'ava';
import {quote} from '../../../cli/control/quote.js';

test('a shell reads back the same word', t => {
	for (const word of ['plain', '', 'two words', 'it\'s', '$HOME', 'a\nb', '"', '\\', '*', '~', '-n', 'a=b', '#x']) {
		t.is(execFileSync('sh', ['-c', `printf %s ${quote(word)}`], {encoding: 'utf8'}), word);
	}
});
