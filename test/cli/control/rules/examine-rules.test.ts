import path from 'node:path';
import test from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {examineRules} from '../../../../cli/control/rules/examine-rules.js';
import {loadNative} from '../../../../cli/native.js';
import {makeRoot} from '../../helpers/make-root.js';

const native = loadNative();

test('what stands in a file, in both forms, and what never decides', t => {
	const directory = makeRoot(t, {'new.rules': '# first\nuse both * a * # all of a\nuse tcp * a *:80\nset b polling_time=0\n'});
	const file = path.join(directory, 'new.rules');
	t.deepEqual(examineRules(file, directory, native), {
		file, isValid: true, faults: [], unreachable: [{line: 3, because: 2}], rules: [
			{line: 2, text: 'use both * a *', rule: {use: 'both', role: '*', program: 'a', peer: '*'}},
			{line: 3, text: 'use tcp * a *:80', rule: {use: 'tcp', role: '*', program: 'a', peer: '*', port: 80}},
			{line: 4, text: 'set b polling_time=0', rule: {set: {polling_time: 0}, program: 'b'}},
		],
	});
});

test('what is wrong stands beside what is right', t => {
	const directory = makeRoot(t, {rules: 'use tcp * * *\nuse nothing * * *\nprofile * latency\n'});
	const examined = examineRules(undefined, directory, native);
	t.like(examined, {file: `${directory}/rules`, isValid: false, rules: [{line: 1}, {line: 3}], faults: [{line: 2}, {line: 3}]});
	t.is(examined.faults.length, 2);
});

test('no installed rules are no fault, a file that is not there is an error', t => {
	t.deepEqual(examineRules(undefined, '/nowhere', native), {file: '/nowhere/rules', isValid: true, rules: [], unreachable: [], faults: []});
	t.like(t.throws(() => examineRules('/nowhere/new.rules', '/nowhere', native), {instanceOf: CliError}), {code: 'not-found'});
});
