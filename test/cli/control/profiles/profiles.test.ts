import test from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {listProfiles, profileKeys, profilePairs, readProfile} from '../../../../cli/control/profiles/profiles.js';
import {loadNative} from '../../../../cli/native.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

const native = loadNative();

test('every profile that comes with the package is sound, and says what it costs', t => {
	t.deepEqual(listProfiles(), ['balanced', 'latency', 'low-cpu', 'throughput']);
	for (const name of listProfiles()) {
		const profile = readProfile(name, native);
		t.is(profile.name, name);
		t.true(profile.summary.length > 20 && profile.cost.length > 20);
		t.is(profile.settings.size === 0, name === 'balanced');
	}
});

test('the pairs of a profile set all that profiles are about, so that one undoes another', t => {
	const keys = profileKeys(native);
	for (const name of listProfiles()) {
		t.deepEqual(profilePairs(readProfile(name, native), native).map(pair => pair.split('=')[0]), keys);
	}

	t.true(profilePairs(readProfile('latency', native), native).includes('polling_time=200'));
	const polling = native.options().find(({name}) => name === 'polling_time')?.default;
	t.true(profilePairs(readProfile('balanced', native), native).includes(`polling_time=${polling}`));
});

test('a file of one\'s own', t => {
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'mine.json', '{"summary": "s", "cost": "c", "settings": {"mem_default": "1M", "transport": "shm"}}');
	const profile = readProfile(file, native);
	t.is(profile.name, 'mine');
	t.deepEqual([...profile.settings], [['mem_default', '1048576'], ['transport', 'shm']]);
	t.true(profilePairs(profile, native).includes('mem_default=1048576'));
});

test('an unknown name is told with the nearest one', t => {
	t.is(t.throws(() => readProfile('latancy', native), {instanceOf: CliError})?.remedy, 'Did you mean latency?');
	t.regex(t.throws(() => readProfile('zzzzzzzzz', native), {instanceOf: CliError})?.remedy ?? '', /^There are: balanced, latency/);
	t.is(t.throws(() => readProfile('/nowhere/x.json', native), {instanceOf: CliError})?.code, 'not-found');
	t.is(t.throws(() => readProfile('/', native), {instanceOf: CliError})?.code, 'read-failed');
});

test('a malformed file is told with file and line', t => {
	const directory = makeTemporaryDirectory(t);
	for (const [text, pattern] of [
		['{', /bad\.json:1: no JSON/],
		['{"summary": "s", "cost": "c",\n"settings": {\n"poling_time": 1}}', /bad\.json:3: settings knows no "poling_time"\. Did you mean polling_time\?/],
		['{"summary": "s",\n"cost": "c", "settings": {"polling_time": "2s"}}', /bad\.json:2: polling_time cannot be "2s"\. polling_time is a number from 0 to 1000000/],
		['{"summary": "", "cost": "c", "settings": {}}', /bad\.json:1: summary is not as the schema has it/],
	] as const) {
		const error = t.throws(() => readProfile(writeTemporaryFile(directory, 'bad.json', text), native), {instanceOf: CliError});
		t.is(error?.code, 'profile-invalid');
		t.regex(error?.message ?? '', pattern);
	}
});
