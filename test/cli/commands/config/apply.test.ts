import test from 'ava';
import {makeRoot} from '../../helpers/make-root.js';
import {contentsOf, runConfig, runConfigJson} from '../../helpers/run-config.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

test('a profile takes the place of another one, and leaves the rest', async t => {
	const directory = makeRoot(t, {mem_default: '64\n', notes: 'kept\n'});
	t.is((await runConfig(directory, ['apply', 'throughput'])).code, 0);
	t.deepEqual(contentsOf(directory), {
		applied_profile: 'throughput\n', mem_default: '64\n', notes: 'kept\n', polling_time: '50\n', promote_after_bytes: '8192\n', ring_size: '16777216\n',
	});
	const {stdout} = await runConfig(directory, ['apply', 'latency', '--dry-run']);
	t.true(stdout.includes(`${directory}/ring_size: would be removed\n`));
	t.is((await runConfig(directory, ['apply', 'latency'])).code, 0);
	t.deepEqual(contentsOf(directory), {applied_profile: 'latency\n', mem_default: '64\n', notes: 'kept\n', polling_time: '200\n', promote_after_calls: '1\n'});
	t.is((await runConfig(directory, ['diff', 'latency'])).code, 1);
	t.deepEqual((await runConfigJson<{differences: unknown}>(directory, ['diff', 'latency'])).differences, [{name: 'mem_default', here: '64', there: '131072'}]);
});

test('a profile of one\'s own', async t => {
	const own = writeTemporaryFile(makeTemporaryDirectory(t), 'own.json', JSON.stringify({summary: 'Mine.', cost: 'None.', settings: {wake_up_interval: '2s'}}));
	const directory = makeRoot(t, {});
	t.is((await runConfig(directory, ['apply', own])).code, 0);
	t.deepEqual(contentsOf(directory), {applied_profile: 'own\n', wake_up_interval: '2000\n'});
});

test('no such profile; a broken one', async t => {
	const directory = makeRoot(t, {});
	t.regex((await runConfig(directory, ['apply', 'latncy'])).stderr, /no profile is called "latncy"\nDid you mean latency\?/);
	t.regex((await runConfig(directory, ['apply', 'zzzzzzzzz'])).stderr, /There are: balanced, latency, low-cpu, throughput/);
	t.regex((await runConfig(directory, ['apply', './none.json'])).stderr, /none\.json cannot be read.*\n.*rsconfig profiles/);
	const broken = writeTemporaryFile(makeTemporaryDirectory(t), 'b.json', '{\n"summary": "a",\n"cost": "b",\n"settings": {\n"poling_time": 3}}');
	const {code, stderr} = await runConfig(directory, ['apply', broken]);
	t.is(code, 125);
	t.regex(stderr, /b\.json:5: settings knows no "poling_time"\. Did you mean polling_time\?/);
	t.deepEqual(contentsOf(directory), {});
});

test('profiles are listed with what they cost', async t => {
	const {stdout} = await runConfig('/nowhere', ['profiles']);
	t.regex(stdout, /^balanced: .*\n {2}Costs: .*\n {2}Sets: nothing/);
	t.regex(stdout, /^latency: .*\n {2}Costs: .*\n {2}Sets: polling_time=200, promote_after_calls=1$/m);
	const {profiles} = await runConfigJson<{profiles: Array<{name: string}>}>('/nowhere', ['profiles']);
	t.deepEqual(profiles.map(({name}) => name), ['balanced', 'latency', 'low-cpu', 'throughput']);
});
