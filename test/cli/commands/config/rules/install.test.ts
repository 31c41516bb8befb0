import test from 'ava';
import {makeRoot} from '../../../helpers/make-root.js';
import {makeRules} from '../../../helpers/make-rules.js';
import {contentsOf, runConfig, runConfigJson} from '../../../helpers/run-config.js';

test('install and remove', async t => {
	const {directory, file} = makeRules(t);
	t.is((await runConfig(directory, ['rules', 'install', file, '--dry-run'])).stdout, `${directory}/rules: would become 5 lines\n`);
	t.is((await runConfig(directory, ['rules', 'install', file])).code, 0);
	t.deepEqual(contentsOf(directory), {polling_time: '5\n', rules: [
		'use tcp server redis-server *:6379', 'use both * redis-* 10.0.0.0/8:6379', 'use shm client * [fd00::]/8:7000-7010', 'set redis-* polling_time=0',
		'set nginx polling_time=200 promote_after_calls=1 promote_after_bytes=32768 ring_size=0', '',
	].join('\n')});
	t.is((await runConfig(directory, ['rules', 'check'])).code, 0);
	t.is((await runConfig(directory, ['rules', 'install', file])).stdout, 'Nothing to change.\n');
	t.is((await runConfig(directory, ['rules', 'install', makeRules(t, 'use\n').file])).code, 125);
	t.is((await runConfig(directory, ['rules', 'remove'])).stdout, `${directory}/rules: removed\n`);
	t.deepEqual(contentsOf(directory), {polling_time: '5\n'});
	t.is((await runConfig(makeRoot(t, {rules: 'x'.repeat(70_000)}), ['rules', 'remove'])).code, 0);
});

test('the profile of a use rule becomes settings, and what is exported is what is imported', async t => {
	const {directory, file} = makeRules(t, 'use both server redis-server *:6379 profile=latency ring_size=16M # now\nuse shm * * * polling_time=5ms\n');
	t.is((await runConfig(directory, ['rules', 'install', file])).code, 0);
	const installed = 'use both server redis-server *:6379 polling_time=200 promote_after_calls=1 promote_after_bytes=32768 ring_size=16777216\nuse shm * * * polling_time=5000\n';
	t.is(contentsOf(directory)['rules'], installed);
	t.is((await runConfig(directory, ['validate'])).code, 0);
	const exported = await runConfigJson<{rules: unknown[]}>(directory, ['export']);
	t.deepEqual(exported.rules, [
		{use: 'both', role: 'server', program: 'redis-server', peer: '*', port: 6379, set: {polling_time: 200, promote_after_calls: 1, promote_after_bytes: 32_768, ring_size: 16_777_216}},
		{use: 'shm', role: '*', program: '*', peer: '*', set: {polling_time: 5000}},
	]);
	const other = makeRules(t, JSON.stringify(exported));
	t.is((await runConfig(other.directory, ['import', other.file])).code, 0);
	t.is(contentsOf(other.directory)['rules'], installed.replace('* * *', '* * *:*'));
	t.is((await runConfig(directory, ['diff', makeRules(t, JSON.stringify({...exported, rules: [{use: 'both', profile: 'latency'}]})).file])).code, 1);
});

test('the JSON form', async t => {
	const {directory, file} = makeRules(t, '[{"use": "tcp", "port": 80},\n{"profile": "low-cpu", "program": "nginx"},\n{"set": {"polling_time": 3, "transport": "shm"}}]');
	t.is((await runConfig(directory, ['rules', 'install', file])).code, 0);
	t.is(contentsOf(directory)['rules'], 'use tcp * * *:80\nset nginx polling_time=0 promote_after_calls=32 promote_after_bytes=262144 ring_size=0\nset * polling_time=3 transport=shm\n');
	const whole = makeRules(t, '{"version": 1, "rules": [{"use": "shm", "peer": "10.0.0.0/8", "port": "1-2"}]}');
	t.like(await runConfigJson(whole.directory, ['rules', 'check', whole.file]), {isValid: true, rules: [{text: 'use shm * * 10.0.0.0/8:1-2'}]});
	const broken = makeRules(t, '[{"use": "tcp"},\n{"use": "tcp", "set": {}},\n{"use": "tcp", "prt": 3}, {"use": "tcp", "peer": "nowhere"}]');
	const run = await runConfig(broken.directory, ['rules', 'check', broken.file]);
	t.is(run.code, 1);
	t.regex(run.stdout, /Did you mean port\?/);
	t.regex((await runConfig(broken.directory, ['rules', 'check', makeRules(t, '[{"use": "tcp", "peer": "nowhere"}]').file])).stdout, /new\.rules:1: a peer is/);
	t.regex((await runConfig(broken.directory, ['rules', 'check', makeRules(t, '[\n{"use": tcp}]').file])).stdout, /new\.rules:2: no JSON/);
});
