import test from 'ava';
import {makeRoot} from '../../helpers/make-root.js';
import {runConfig, runConfigJson} from '../../helpers/run-config.js';

test('get prints the value alone', async t => {
	const directory = makeRoot(t, {polling_time: '0x10\n'});
	t.is((await runConfig(directory, ['get', 'polling_time'])).stdout, '16\n');
	t.is((await runConfig(directory, ['get', 'transport'])).stdout, 'auto\n');
	t.like(await runConfigJson(directory, ['get', 'polling_time']), {version: 1, name: 'polling_time', value: 16, min: 0, max: 1_000_000});
	const {code, stderr} = await runConfig(directory, ['get', 'poling_time']);
	t.is(code, 125);
	t.regex(stderr, /Did you mean polling_time\?/);
});

test('a faulty file is not passed over in silence', async t => {
	const directory = makeRoot(t, {polling_time: 'x\n'});
	const {code, stdout, stderr} = await runConfig(directory, ['get', 'polling_time']);
	t.is(code, 0);
	t.is(stdout, '10\n');
	t.regex(stderr, /its file does not count: .*polling_time:1: polling_time cannot be "x"/);
	t.is((await runConfig(directory, ['get', 'ring_size'])).stderr, '');
});
