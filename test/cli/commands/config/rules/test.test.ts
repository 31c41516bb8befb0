import test from 'ava';
import {makeRules} from '../../../helpers/make-rules.js';
import {runConfig, runConfigJson} from '../../../helpers/run-config.js';

type Test = {
	readonly connections: ReadonlyArray<{readonly role: string; readonly mayLeaveTcp: boolean; readonly line: number | null; readonly considered: ReadonlyArray<{readonly line: number; readonly mismatch: string | null}>}>;
	readonly settings: {readonly line: number} | null;
};

test('test: which line decides, and why no earlier one', async t => {
	const {directory, file} = makeRules(t);
	const words = ['rules', 'test', file, '--program', '/usr/bin/redis-server', '--peer', '10.0.0.5:6379'];
	const {code, stdout} = await runConfig(directory, words);
	t.is(code, 1);
	t.is(stdout, [
		'redis-server as server, with 10.0.0.5:6379: stays on TCP',
		`  ${file}:2: decides: use tcp server redis-server *:6379`,
		'redis-server as client, with 10.0.0.5:6379: may leave TCP (auto)',
		`  ${file}:2: is about the other role: use tcp server redis-server *:6379`,
		`  ${file}:3: decides: use both * redis-* 10.0.0.0/8:6379`,
		`${file}:6: gives redis-server its settings: set redis-* polling_time=0`,
		'',
	].join('\n'));
	const {connections, settings} = await runConfigJson<Test>(directory, [...words.slice(0, 4), 'nginx', '--peer', '[fe80::1]:7005', '--role', 'client']);
	t.like(connections[0], {role: 'client', mayLeaveTcp: true, line: null});
	t.deepEqual(connections[0]?.considered.map(({line, mismatch}) => [line, mismatch]), [[2, 'program'], [3, 'program'], [5, 'peer']]);
	t.like(settings, {line: 7});
	const port = await runConfigJson<Test>(directory, [...words.slice(0, 4), 'redis-server', '--peer', '[fd00::1]:7011']);
	t.deepEqual(port.connections[1]?.considered.map(({mismatch}) => mismatch), ['role', 'port', 'port']);
	t.regex((await runConfig('/nowhere', ['rules', 'test', '--program', 'a', '--peer', '1.2.3.4:5'])).stdout, /no rule is about it, the settings decide/);
});

test('test: what the rule that decides gives the connection', async t => {
	const {directory, file} = makeRules(t, 'use both server redis-server *:6379 profile=latency ring_size=16M\nuse shm client * * polling_time=0\nuse both * * *\n');
	const words = ['rules', 'test', file, '--program', 'redis-server', '--peer'];
	const {code, stdout} = await runConfig(directory, [...words, '10.0.0.5:6379']);
	t.is(code, 0);
	t.is(stdout, [
		'redis-server as server, with 10.0.0.5:6379: may leave TCP (auto)',
		`  ${file}:1: decides: use both server redis-server *:6379 profile=latency ring_size=16777216`,
		'  and gives the connection polling_time=200 promote_after_calls=1 promote_after_bytes=32768 ring_size=16777216 (profile latency)',
		'redis-server as client, with 10.0.0.5:6379: may leave TCP (shm)',
		`  ${file}:1: is about the other role: use both server redis-server *:6379 profile=latency ring_size=16777216`,
		`  ${file}:2: decides: use shm client * * polling_time=0`,
		'  and gives the connection polling_time=0',
		'',
	].join('\n'));
	const {connections} = await runConfigJson<{connections: Array<{profile: string | null; settings: Record<string, number>}>}>(directory, [...words, '10.0.0.5:6379']);
	t.like(connections, [{profile: 'latency', settings: {polling_time: 200, ring_size: 16_777_216}}, {profile: null, settings: {polling_time: 0}}]);
	t.deepEqual((await runConfigJson<{connections: Array<{settings: object}>}>(directory, [...words, '10.0.0.5:80', '--role', 'server'])).connections[0]?.settings, {});
});

test('test: what it is asked must be right', async t => {
	const {directory, file} = makeRules(t);
	for (const peer of ['10.0.0.5', '10.0.0:5', 'host:5', '::1:5', '[::1]', '[::1]:0', '1.2.3.4:70000', '[1.2.3.4]:5', '']) {
		const {code, stderr} = await runConfig(directory, ['rules', 'test', file, '--program', 'a', `--peer=${peer}`]);
		t.is(code, 125);
		t.regex(stderr, /is not an address and a port\nWrite 10\.0\.0\.5:6379|Not enough arguments|not enough/);
	}

	t.is((await runConfig(directory, ['rules', 'test', file, '--program', 'a'])).code, 125);
	const {code, stderr} = await runConfig(makeRules(t, 'nonsense\n').directory, ['rules', 'test', makeRules(t, 'nonsense\n').file, '--program', 'a', '--peer', '1.2.3.4:5']);
	t.is(code, 125);
	t.regex(stderr, /new\.rules:1: .*\nWith faulty rules every connection stays on TCP\./s);
});
