import {statSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {makeRoot} from '../../helpers/make-root.js';
import {contentsOf, runConfig, runConfigJson} from '../../helpers/run-config.js';
import {makeTemporaryDirectory} from '../../helpers/temporary-directory.js';

test('set writes one integer a file, for everybody to read', async t => {
	const directory = path.join(makeTemporaryDirectory(t), 'new', 'rsocket');
	t.is((await runConfig(directory, ['set', 'mem_default', '1M'])).code, 0);
	t.is((await runConfig(directory, ['set', 'polling_time', '1ms'])).code, 0);
	t.is((await runConfig(directory, ['set', 'wake_up_interval', '2s'])).code, 0);
	t.is((await runConfig(directory, ['set', 'transport', 'shm'])).code, 0);
	t.deepEqual(contentsOf(directory), {mem_default: '1048576\n', polling_time: '1000\n', transport: 'shm\n', wake_up_interval: '2000\n'});
	t.is(statSync(path.join(directory, 'mem_default')).mode & 0o777, 0o644);
	t.is(statSync(directory).mode & 0o777, 0o755);
});

test('set tells what it changes, and changes nothing twice', async t => {
	const directory = makeRoot(t, {polling_time: '5\n'});
	const file = path.join(directory, 'polling_time');
	t.deepEqual(await runConfigJson(directory, ['set', 'polling_time', '7', '--dry-run']), {
		version: 1, isDryRun: true, changes: [{file, before: '5\n', after: '7\n'}],
	});
	t.is((await runConfig(directory, ['set', 'polling_time', '7', '--dry-run'])).stdout, `${file}: would become 7 (was 5)\n`);
	t.is(contentsOf(directory)['polling_time'], '5\n');
	t.is((await runConfig(directory, ['set', 'polling_time', '7'])).stdout, `${file}: 7 (was 5)\n`);
	t.is((await runConfig(directory, ['set', 'polling_time', '7us'])).stdout, 'Nothing to change.\n');
});

test('what is wrong names the range and the nearest key, and writes nothing', async t => {
	const directory = path.join(makeTemporaryDirectory(t), 'none');
	const cases: Array<[string[], RegExp]> = [
		[['polling_tim', '5'], /no setting is called "polling_tim"\nDid you mean polling_time\?/],
		[['zzzzzzzzzzzz', '5'], /rsconfig list shows all settings/],
		[['polling_time', '2s'], /cannot be "2s"\npolling_time is a number from 0 to 10{6} \(us\)/],
		[['polling_time', '1K'], /cannot be/],
		[['polling_time', ''], /cannot be ""/],
		[['wake_up_interval', '1us'], /cannot be "1us"/],
		[['ring_size', '2G'], /from 0 to 1073741824 \(bytes\); 64K, 1M, 1G/],
		[['transport', 'rdma'], /one of auto, shm, tcp/],
	];
	for (const [words, pattern] of cases) {
		const {code, stderr} = await runConfig(directory, ['set', ...words]);
		t.is(code, 125);
		t.regex(stderr, pattern);
	}

	const {stderr} = await runConfig(directory, ['set', 'ring_siz', '1', '--json']);
	const {error} = JSON.parse(stderr) as {error: {code: string; details: unknown}};
	t.is(error.code, 'setting-unknown');
	t.deepEqual(error.details, {key: 'ring_siz', nearest: 'ring_size'});
	t.deepEqual(contentsOf(directory), {});
});

test('unset removes the file, also a malformed one', async t => {
	const directory = makeRoot(t, {polling_time: '5\n', ring_size: 'x\n', mem_default: '7\n'});
	t.is((await runConfig(directory, ['unset', 'polling_time'])).stdout, `${directory}/polling_time: removed\n`);
	t.is((await runConfig(directory, ['unset', 'ring_size', '--dry-run'])).stdout, `${directory}/ring_size: would be removed\n`);
	t.is((await runConfig(directory, ['unset', 'ring_size'])).code, 0);
	t.is((await runConfig(directory, ['unset', 'ring_size'])).stdout, 'Nothing to change.\n');
	t.deepEqual(contentsOf(directory), {mem_default: '7\n'});
});
