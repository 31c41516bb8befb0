import {mkdirSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {configTool} from '../../../../cli/commands/config.js';
import {loadNative} from '../../../../cli/native.js';
import {makeRoot} from '../../helpers/make-root.js';
import {runConfig, runConfigJson} from '../../helpers/run-config.js';
import {runToolHere} from '../../helpers/run-tool.js';

type Row = {readonly name: string; readonly value: number | string; readonly source: {readonly kind: string; readonly file?: string; readonly profile?: string}};
type List = {readonly settings: readonly Row[]};

test('value, default, unit and source of every setting of the core', async t => {
	const directory = makeRoot(t, {mem_default: '64\n', polling_time: '200\n', promote_after_calls: '1\n', applied_profile: 'latency\n'});
	const {settings} = await runConfigJson<List>(directory, ['list'], {env: {RSOCKET_SET: 'ring_size=4096,nonsense,transport=rdma,ring_size=0x2000'}});
	t.deepEqual(settings.map(({name}) => name), loadNative().options().map(({name}) => name));
	const find = (name: string) => settings.find(row => row.name === name);
	t.like(find('mem_default'), {value: 64, default: 131_072, unit: 'bytes', source: {kind: 'file', file: path.join(directory, 'mem_default')}});
	t.like(find('polling_time'), {value: 200, unit: 'us', source: {kind: 'profile', profile: 'latency'}});
	t.like(find('ring_size'), {value: 8192, source: {kind: 'environment', variable: 'RSOCKET_SET'}});
	t.like(find('transport'), {value: 'auto', default: 'auto', values: ['auto', 'shm', 'tcp'], source: {kind: 'default'}});

	const {stdout} = await runConfig(directory, ['list', '--changed'], {env: {RSOCKET_SET: 'ring_size=4096'}});
	t.regex(stdout, /^NAME +VALUE +DEFAULT +UNIT +SOURCE$/m);
	t.regex(stdout, /^polling_time +200 +10 +us +profile latency$/m);
	t.regex(stdout, /^ring_size +4096 +0 +bytes +environment RSOCKET_SET$/m);
	t.is(stdout.trim().split('\n').length, 5);
});

test('list points at faults, and paints on a terminal only', async t => {
	const directory = makeRoot(t, {polling_time: 'x\n', ring_size: '64\n'});
	const run = await runConfig(directory, ['list'], {isTerminal: true});
	t.regex(run.stderr, /^rsconfig: 1 fault in .*: rsconfig validate tells more\n$/);
	t.true(run.stdout.includes('\u001B['));
	t.false((await runConfig(directory, ['list'], {isTerminal: true, env: {NO_COLOR: '1'}})).stdout.includes('\u001B['));
});

test('the directory is that of --dir, else that of the library', async t => {
	const directory = makeRoot(t, {polling_time: '3\n'});
	const run = await runToolHere(configTool, ['get', 'polling_time'], {env: {RSOCKET_CONFIG_DIR: directory, RSOCKET_SET: undefined}});
	t.is(run.stdout, '3\n');
	const list = await runToolHere(configTool, ['list', '--json'], {env: {RSOCKET_CONFIG_DIR: undefined, RSOCKET_SET: undefined}});
	t.like(JSON.parse(list.stdout), {directory: '/etc/rdma/rsocket'});
});

test('a file in the place of the directory', async t => {
	const directory = makeRoot(t, {file: ''});
	const {code, stderr} = await runConfig(path.join(directory, 'file'), ['list']);
	t.is(code, 125);
	t.regex(stderr, /file cannot be read: ENOTDIR.*\nGive a readable directory with --dir\./);
	mkdirSync(path.join(directory, 'empty'));
	t.is((await runConfig(path.join(directory, 'empty'), ['validate'])).code, 0);
});

test('no help has a $0 left in it', async t => {
	for (const command of ['', 'list', 'get', 'diff', 'apply', 'import', 'set']) {
		t.false((await runConfig('', [...command === '' ? [] : [command], '--help'])).stdout.includes('$0'), `help of ${command}`);
	}
});
