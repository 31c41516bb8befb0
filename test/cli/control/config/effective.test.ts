import test from 'ava';
import {effectiveSettings, formatSource} from '../../../../cli/control/config/effective.js';
import {readDirectory} from '../../../../cli/control/config/read-directory.js';
import {loadNative} from '../../../../cli/native.js';
import {makeRoot} from '../../helpers/make-root.js';

const native = loadNative();

test('the environment is stronger than files, files than defaults', t => {
	const directory = makeRoot(t, {polling_time: '50\n', ring_size: '4096\n', transport: 'shm\n', promote_after_bytes: 'soon\n', applied_profile: 'own\n'});
	const settings = effectiveSettings(readDirectory(directory, native), new Map([['ring_size', '4096'], ['transport', 'tcp']]), 'polling_time=1,polling_time=2,polling_time=x,log_level=debug,nonsense,=1,zzz=1', native);
	t.is(settings.length, native.options().length);
	const shown = Object.fromEntries(settings.map(({name, value, source}) => [name, [value, formatSource(source)]]));
	t.deepEqual(shown['polling_time'], [2, 'environment RSOCKET_SET']);
	t.deepEqual(shown['log_level'], ['debug', 'environment RSOCKET_SET']);
	t.deepEqual(shown['ring_size'], [4096, 'profile own']);
	t.deepEqual(shown['transport'], ['shm', `file ${directory}/transport`]);
	t.is(shown['promote_after_bytes']?.[1], 'default');
});

test('a row has the range of a number, or the names of an enum', t => {
	const settings = effectiveSettings(readDirectory('/nowhere/rsocket', native), new Map(), undefined, native);
	t.like(settings.find(({name}) => name === 'polling_time'), {unit: 'us', min: 0, max: 1_000_000, source: {kind: 'default'}});
	const transport = settings.find(({name}) => name === 'transport');
	t.deepEqual(transport?.values, ['auto', 'shm', 'tcp']);
	t.false(transport && 'min' in transport);
});
