import path from 'node:path';
import test from 'ava';
import {makeRoot} from '../../helpers/make-root.js';
import {contentsOf, runConfig, runConfigJson} from '../../helpers/run-config.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

const sound = {
	polling_time: '5\n', transport: 'shm\n',
	rules: '# first\nuse tcp server redis-* 10.0.0.0/8:6379\nuse both * * [::1]:7000-7010 # more\nset nginx polling_time=0 ring_size=4096\n',
	preload_config: '# rdma-core\'s\n* INET STREAM TCP\nqperf AF_INET6 SOCK_DGRAM *\n',
};

test('what is exported can be imported elsewhere', async t => {
	const {stdout, code} = await runConfig(makeRoot(t, sound), ['export']);
	t.is(code, 0);
	t.deepEqual(JSON.parse(stdout), {
		$schema: 'config.schema.json', version: 1, settings: {polling_time: 5, transport: 'shm'},
		rules: [
			{use: 'tcp', role: 'server', program: 'redis-*', peer: '10.0.0.0/8', port: 6379},
			{use: 'both', role: '*', program: '*', peer: '[::1]', port: '7000-7010'},
			{set: {polling_time: 0, ring_size: 4096}, program: 'nginx'},
		],
		preload: [{program: '*', domain: 'INET', type: 'STREAM', protocol: 'TCP'}, {program: 'qperf', domain: 'INET6', type: 'DGRAM', protocol: '*'}],
	});
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'config.json', stdout);
	const other = makeRoot(t, {ring_size: '64\n', mem_default: 'x\n', applied_profile: 'latency\n'});
	t.is((await runConfig(other, ['diff', file])).code, 1);
	t.true((await runConfig(other, ['import', file, '--dry-run'])).stdout.includes('would be removed'));
	t.is((await runConfig(other, ['import', file])).code, 0);
	t.deepEqual(contentsOf(other), {
		polling_time: '5\n', transport: 'shm\n',
		rules: 'use tcp server redis-* 10.0.0.0/8:6379\nuse both * * [::1]:7000-7010\nset nginx polling_time=0 ring_size=4096\n',
		preload_config: '* INET STREAM TCP\nqperf INET6 DGRAM *\n',
	});
	t.is((await runConfig(other, ['diff', file])).stdout, 'No differences.\n');
	t.is((await runConfig(other, ['validate'])).code, 0);
	t.is((await runConfig(other, ['import', file])).stdout, 'Nothing to change.\n');
});

test('rules with a profile are installed as settings, and are no difference', async t => {
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'c.json', '{"version": 1, "rules": [{"profile": "low-cpu", "program": "nginx"}]}');
	const directory = makeRoot(t, {});
	t.is((await runConfig(directory, ['import', file])).code, 0);
	t.regex(contentsOf(directory)['rules'] ?? '', /^set nginx polling_time=0 /);
	t.is((await runConfig(directory, ['diff', file])).stdout, 'No differences.\n');
});

test('diff against the defaults', async t => {
	const directory = makeRoot(t, sound);
	const {stdout, code} = await runConfig(directory, ['diff']);
	t.is(code, 1);
	t.regex(stdout, /^NAME +HERE +DEFAULT$/m);
	t.regex(stdout, /^polling_time +5 +10$/m);
	t.regex(stdout, /^rules +use tcp .*; use both .* -$/m);
	t.is((await runConfig('/nowhere', ['diff'])).code, 0);
	t.like(await runConfigJson('/nowhere', ['diff']), {differences: [], other: null});
});

test('what is faulty is not exported; what is missing not imported', async t => {
	const directory = makeRoot(t, {polling_time: 'x\n', rules: 'use\n'});
	const run = await runConfig(directory, ['export', '--json']);
	t.is(run.code, 125);
	const {error} = JSON.parse(run.stderr) as {error: {code: string; details: {faults: Array<{file: string; line: number}>}}};
	t.is(error.code, 'invalid');
	t.deepEqual(error.details.faults.map(({file, line}) => [path.basename(file), line]), [['polling_time', 1], ['rules', 1]]);
	t.regex((await runConfig(directory, ['import', '/nowhere/x.json'])).stderr, /cannot be read: ENOENT/);
	t.regex((await runConfig(directory, ['import', directory])).stderr, /cannot be read: EISDIR/);
});
