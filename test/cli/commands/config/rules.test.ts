import test from 'ava';
import {runConfig} from '../../helpers/run-config.js';
import {makeTemporaryDirectory} from '../../helpers/temporary-directory.js';

test('without a command, the help is that of rules', async t => {
	t.regex((await runConfig(makeTemporaryDirectory(t), ['rules'])).stderr, /\nrsconfig rules --help lists/);
});
