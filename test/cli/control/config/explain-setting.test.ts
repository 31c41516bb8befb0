import test from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {explainSetting} from '../../../../cli/control/config/explain-setting.js';
import {readDirectory} from '../../../../cli/control/config/read-directory.js';
import {loadNative} from '../../../../cli/native.js';
import {makeRoot} from '../../helpers/make-root.js';

const native = loadNative();

test('the value, where it comes from, and what profiles make of it', t => {
	const directory = readDirectory(makeRoot(t, {polling_time: '3\n'}), native);
	t.like(explainSetting('polling_time', directory, {env: {}, native}), {name: 'polling_time', value: 3, default: 10, source: {kind: 'file'}, profiles: {latency: '200', 'low-cpu': '0', throughput: '50'}});
	t.like(explainSetting('polling_time', directory, {env: {RSOCKET_SET: 'polling_time=4'}, native}), {value: 4, source: {kind: 'environment', variable: 'RSOCKET_SET'}});
	t.deepEqual(explainSetting('transport', directory, {env: {}, native}).profiles, {});
});

test('a name that is none', t => {
	const error = t.throws(() => explainSetting('poling_time', readDirectory('/nowhere', native), {env: {}, native}), {instanceOf: CliError});
	t.like(error, {code: 'setting-unknown', message: 'no setting is called "poling_time"', remedy: 'Did you mean polling_time? rsconfig list shows all settings.'});
});
