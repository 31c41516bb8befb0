import test from 'ava';
import {readRules} from '../../../../cli/control/rules/read-rules.js';
import {loadNative} from '../../../../cli/native.js';
import {makeRoot} from '../../helpers/make-root.js';

const native = loadNative();

test('a file, or what is installed', t => {
	const directory = makeRoot(t, {rules: 'use tcp * * *:80\n', 'other.json': '[{"use": "tcp"}, {"profile": "latency"}]'});
	t.like(readRules(undefined, directory, native), {file: `${directory}/rules`, rules: [{line: 1}], faults: []});
	t.like(readRules(`${directory}/other.json`, directory, native), {file: `${directory}/other.json`, faults: []});
});

test('no installed file is no rules; faults of other files are not theirs', t => {
	t.like(readRules(undefined, '/nowhere/rsocket', native), {rules: [], faults: []});
	t.deepEqual(readRules(undefined, makeRoot(t, {polling_time: 'x'}), native).faults, []);
	t.like(readRules(undefined, makeRoot(t, {rules: 'profile * latency\n'}), native).faults, [{line: 1}]);
});
