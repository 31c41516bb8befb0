import path from 'node:path';
import test from 'ava';
import {makeRoot} from '../../helpers/make-root.js';
import {contentsOf, runConfig, runConfigJson} from '../../helpers/run-config.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

const text = `# who may
use tcp server redis-server *:6379
use both * redis-* 10.0.0.0/8:6379  # the rest of redis

use shm client * [fd00::]/8:7000-7010
set redis-* polling_time=0
profile nginx latency
`;

function makeRules(t: Parameters<typeof makeRoot>[0], content = text): {directory: string; file: string} {
	const root = makeRoot(t, {'new.rules': content, 'settings/polling_time': '5\n'});
	return {directory: path.join(root, 'settings'), file: path.join(root, 'new.rules')};
}

type Test = {
	readonly connections: ReadonlyArray<{readonly role: string; readonly mayLeaveTcp: boolean; readonly line: number | null; readonly considered: ReadonlyArray<{readonly line: number; readonly mismatch: string | null}>}>;
	readonly settings: {readonly line: number} | null;
};

test('check: sound rules, and those that nothing reaches', async t => {
	const {directory, file} = makeRules(t, `${text}use tcp * * *\nuse shm * nginx *:80\n`);
	const {code, stdout, stderr} = await runConfig(directory, ['rules', 'check', file]);
	t.is(code, 0);
	t.is(stdout, `${file}: 7 rules, all is well.\n`);
	t.is(stderr, `rsconfig: ${file}:9: this rule never decides anything: line 8 always comes first\n`);
	t.like(await runConfigJson(directory, ['rules', 'check', file]), {isValid: true, unreachable: [{line: 9, because: 8}], rules: {length: 7}});
	t.is((await runConfig(directory, ['rules', 'check'])).stdout, `${directory}/rules: 0 rules, all is well.\n`);
});

test('check: faults with lines', async t => {
	const {directory, file} = makeRules(t, 'use bth * * *\nuse both srver * *\nset * poling_time=3\nset * polling_time=3s\nuse both * * 1.2.3.4/8\nuse both * * *:0\nprofile * latncy\nuse both *\nallow\n');
	const {code, stdout} = await runConfig(directory, ['rules', 'check', file]);
	t.is(code, 1);
	const lines = stdout.trim().split('\n');
	t.deepEqual(lines.map(line => Number(line.slice(file.length + 1).split(':', 1)[0])), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
	t.regex(lines[0] ?? '', /did you mean both\?$/);
	t.regex(lines[2] ?? '', /no setting has this name\. It says "poling_time=3"; did you mean polling_time\?/);
	t.regex(lines[4] ?? '', /bits set beyond its prefix/);
	t.regex(lines[6] ?? '', /no profile is called "latncy"\. Did you mean latency\?$/);
	t.regex(lines[7] ?? '', /a use rule is: use .*\. A word is missing\.$/);
	t.regex(lines[8] ?? '', /begins with/);
});

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

test('more rules than the core takes', async t => {
	const {directory, file} = makeRules(t, 'use both * a *\n'.repeat(257));
	const {code, stdout} = await runConfig(directory, ['rules', 'check', file]);
	t.is(code, 1);
	t.regex(stdout, /new\.rules:257: more than 256 rules/);
});

test('a value that is out of range is told with the range, a mistyped key with the right one', async t => {
	const root = makeTemporaryDirectory(t);
	const check = async (text: string) => (await runConfig(root, ['rules', 'check', writeTemporaryFile(root, 'r.rules', text)])).stdout;
	t.regex(await check('set redis polling_time=9999999999\n'), /pol{2}ing_time is a number from 0 to 10{6} \(us\)\./);
	t.regex(await check('set redis poling_time=9\n'), /did you mean polling_time\? polling_time is a number from 0/);
});

test('all faults of a JSON document, in words', async t => {
	const root = makeTemporaryDirectory(t);
	const file = writeTemporaryFile(root, 'r.json', '[\n{"use": "tcp", "peer": "a b"},\n{"use": "tcp", "peer": "1.2.3"},\n{"use": "tcp", "port": "x"},\n{"profile": "latncy"}\n]');
	const {stdout} = await runConfig(root, ['rules', 'check', file]);
	t.deepEqual([...stdout.matchAll(/r\.json:(\d)/g)].map(([, line]) => line), ['2', '3', '4', '5']);
	t.notRegex(stdout, /pattern|\^/);
	t.regex(stdout, /rule 1: peer .* The other end: an IPv4 address/);
});

test('without a command, the help is that of rules', async t => {
	t.regex((await runConfig(makeTemporaryDirectory(t), ['rules'])).stderr, /\nrsconfig rules --help lists/);
});
