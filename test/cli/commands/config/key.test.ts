import test from 'ava';
import {configTool} from '../../../../cli/commands/config.js';
import {completeKeyAndValue, completeKeys} from '../../../../cli/commands/config/key.js';
import {type Context} from '../../../../cli/control/tool/tool.js';
import {loadNative} from '../../../../cli/native.js';
import {runToolHere} from '../../helpers/run-tool.js';

const native = loadNative();
const context = {native} as unknown as Context;

test('completion knows keys and values', async t => {
	const complete = async (...words: string[]) => {
		const {stdout} = await runToolHere(configTool, ['--get-completions', ...words]);
		return stdout.split('\n').filter(Boolean).map(line => line.split('\t')[0]);
	};

	t.deepEqual(await complete('set', 'polling'), ['polling_time']);
	t.deepEqual((await complete('set', 'transport', '')).slice(0, 3), ['auto', 'shm', 'tcp']);
	t.deepEqual(await complete('apply', 'l'), ['latency', 'low-cpu']);
	t.deepEqual(await complete('get', 'polling_time', ''), []);
});

test('every key with what it is, and none behind one', t => {
	const lines = completeKeys([], context);
	t.deepEqual(lines.map(line => line.split('\t')), native.options().map(({name, help}) => [name, help]));
	t.deepEqual(completeKeys(['polling_time'], context), []);
});

test('a value only of a setting that has names for them', t => {
	t.deepEqual(completeKeyAndValue([], context), completeKeys([], context));
	t.deepEqual(completeKeyAndValue(['transport'], context), ['auto\t', 'shm\t', 'tcp\t']);
	t.deepEqual(completeKeyAndValue(['polling_time'], context), []);
	t.deepEqual(completeKeyAndValue(['nonsense'], context), []);
	t.deepEqual(completeKeyAndValue(['transport', 'shm'], context), []);
});
