import test from 'ava';
import {examineSettings} from '../../../../cli/control/check/examine-settings.js';
import {loadNative} from '../../../../cli/native.js';
import {makeRoot} from '../../helpers/make-root.js';

const native = loadNative();

test('none, and good ones', t => {
	t.deepEqual(examineSettings('/nowhere', '', native).map(({code, level}) => [code, level]), [['directory', 'good']]);
	const directory = makeRoot(t, {polling_time: '5\n', rules: 'use both * * *:*\n'});
	t.deepEqual(examineSettings(directory, 'ring_size=64', native).map(({text}) => text), [`${directory}: 1 setting, and rules`]);
});

test('faults of files and of the variable', t => {
	const directory = makeRoot(t, {polling_time: 'x\n', rules: 'use nonsense\n', transport: 'tcp\n', pollingtime: '5\n'});
	const findings = examineSettings(directory, 'foo=1,ring_size=x,', native);
	t.true(findings.some(({level, text}) => level === 'bad' && text.startsWith(`${directory}/rules:1: `)));
	t.true(findings.some(({level, text}) => level === 'warning' && text.startsWith(`${directory}/polling_time:1: `)));
	t.true(findings.some(({remedy}) => remedy.includes('polling_time?')));
	t.deepEqual(findings.filter(({code}) => code === 'variable').map(({text}) => text), ['RSOCKET_SET: no setting is called "foo"', 'RSOCKET_SET: ring_size cannot be "x"']);
	t.true(findings.some(({code}) => code === 'transport'));
});
