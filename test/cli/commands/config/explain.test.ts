import test from 'ava';
import {makeRoot} from '../../helpers/make-root.js';
import {runConfig, runConfigJson} from '../../helpers/run-config.js';

test('explain says what it does, may be and is', async t => {
	const directory = makeRoot(t, {polling_time: '3\n', applied_profile: 'gone\n'});
	const {stdout} = await runConfig(directory, ['explain', 'polling_time']);
	t.regex(stdout, /^polling_time: How long a wait spins.*\nIt is a number from 0 to 1000000 \(us\); 10us, 5ms, 1s are understood; the default is 10\.\nNow: 3 \(file .*polling_time\)\n/);
	t.regex(stdout, /Profile low-cpu: 0\n/);
	t.regex((await runConfig('/nowhere', ['explain', 'transport'])).stdout, /one of auto, shm, tcp; the default is auto\.\nNow: auto \(default\)/);
	t.like(await runConfigJson(directory, ['explain', 'polling_time']), {value: 3, profiles: {latency: '200', 'low-cpu': '0', throughput: '50'}});
});

test('a name that is none', async t => {
	const {code, stdout, stderr} = await runConfig('/nowhere', ['explain', 'poling_time']);
	t.deepEqual([code, stdout], [125, '']);
	t.is(stderr, 'rsconfig: no setting is called "poling_time"\nDid you mean polling_time? rsconfig list shows all settings.\n');
});
