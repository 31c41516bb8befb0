import {mkdirSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {finding, readSystemFile, readSystemNumber} from '../../../../cli/control/check/machine.js';
import {makeRoot} from '../../helpers/make-root.js';

test('files below a root', t => {
	const root = makeRoot(t, {'proc/sys/kernel/x': ' text \n'});
	t.is(readSystemFile(root, '/proc/sys/kernel/x'), ' text \n');
	t.is(readSystemFile(root, 'proc/sys/kernel/x'), ' text \n');
	t.is(readSystemFile(root, '/proc/sys/kernel'), undefined);
	t.is(readSystemFile(root, '/proc/none'), undefined);
	t.regex(readSystemFile('/', '/proc/self/status') ?? '', /^Name:/);
});

test('whole numbers, and nothing else', t => {
	const root = makeRoot(t, {});
	for (const [index, [text, value]] of ([
		['0\n', 0], ['-1\n', -1], ['  42  ', 42], ['007', 7], ['', undefined], ['\n', undefined], ['1 2', undefined], ['1.5', undefined], ['0x10', undefined], ['max\n', undefined], ['+1', undefined], ['1\n2', undefined],
	] as const).entries()) {
		const directory = makeRoot(t, {[`file${index}`]: text});
		t.is(readSystemNumber(directory, `file${index}`), value, `${JSON.stringify(text)}`);
	}

	t.is(readSystemNumber(root, 'none'), undefined);
	mkdirSync(path.join(root, 'directory'));
	t.is(readSystemNumber(root, 'directory'), undefined);
});

test('a finding that needs nothing has an empty remedy', t => {
	t.deepEqual(finding(['kernel', 'good', 'futex'], 'is there'), {area: 'kernel', level: 'good', code: 'futex', text: 'is there', remedy: ''});
	t.is(finding(['limits', 'bad', 'nofile'], 'too few', 'Raise it.').remedy, 'Raise it.');
});
