import test from 'ava';
import {makeRules, soundRules} from '../../../helpers/make-rules.js';
import {runConfig, runConfigJson} from '../../../helpers/run-config.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../../helpers/temporary-directory.js';

test('check: sound rules, and those that nothing reaches', async t => {
	const {directory, file} = makeRules(t, `${soundRules}use tcp * * *\nuse shm * nginx *:80\n`);
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

test('check: what only a process can have is told with the rule that gives it', async t => {
	const {directory, file} = makeRules(t, 'use both server redis-server *:6379 profile=latency ring_size=16M\nuse both server redis-server *:6380 mem_default=1M\n');
	const {code, stdout} = await runConfig(directory, ['rules', 'check', file]);
	t.is(code, 1);
	t.is(stdout, `${file}:2: this setting is the whole process's, not a connection's: only a set rule can give it. It says "mem_default=1048576"; a rule of its own gives it to the whole process: "set redis-server mem_default=1048576".\n`);
});

test('check: names beyond ASCII, in text and in JSON', async t => {
	const {directory, file} = makeRules(t, 'use tcp * caf\u00E9 *\nuse both * \u20AC * caf\u00E9=1\n');
	const {rules: [rule]} = await runConfigJson<{rules: ReadonlyArray<{text: string; rule: {program: string}}>}>(directory, ['rules', 'check', file]);
	t.like(rule, {text: 'use tcp * caf\u00E9 *', rule: {program: 'caf\u00E9'}});
	t.regex((await runConfig(directory, ['rules', 'check', file])).stdout, /It says "caf\u00E9=1"/);
	const json = makeRules(t, '[{"use": "tcp", "program": "caf\u00E9"}]');
	t.like(await runConfigJson(directory, ['rules', 'check', json.file]), {rules: [{text: 'use tcp * caf\u00E9 *:*'}]});
	t.is((await runConfig(directory, ['rules', 'test', json.file, '--program', 'caf\u00E9', '--peer', '1.2.3.4:5'])).code, 1);
	t.regex((await runConfig(directory, ['rules', 'test', json.file, '--program', 'caf\u00E9', '--peer', '1.2.3.4:5'])).stdout, /decides: use tcp \* caf\u00E9 \*:\*/);
	t.regex((await runConfig(directory, ['rules', 'install', json.file])).stdout, /: use tcp \* caf\u00E9 \*:\*\n/);
	t.regex((await runConfig(directory, ['diff'])).stdout, /use tcp \* caf\u00E9 \*:\*/);
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
