import test from 'ava';
import {parseShebang} from '../../../cli/control/parse-shebang.js';
import {type Raw} from '../../../cli/control/raw.js';

const parse = (head: string) => parseShebang(head as Raw);

test('takes the interpreter up to a blank or the line\'s end', t => {
	t.is(parse('#!/bin/sh\necho')?.path, '/bin/sh' as Raw);
	t.is(parse('#! \t/bin/sh -e\n')?.path, '/bin/sh' as Raw);
	t.is(parse('#!/bin/sh')?.path, '/bin/sh' as Raw);
});

test('names the program that env looks for', t => {
	t.is(parse('#!/usr/bin/env node\n')?.viaEnv, 'node' as Raw);
	t.is(parse('#!/usr/bin/env -S node --flag\n')?.viaEnv, 'node' as Raw);
	t.is(parse('#!/usr/bin/env -S A=1 node\n')?.viaEnv, 'node' as Raw);
	t.is(parse('#!/usr/bin/env -vS node\n')?.viaEnv, 'node' as Raw);
	t.is(parse('#!/bin/sh node\n')?.viaEnv, undefined);
});

test('finds none in what is no script', t => {
	t.is(parse('#!\n'), undefined);
	t.is(parse(' #!/bin/sh\n'), undefined);
	t.is(parse(''), undefined);
});
