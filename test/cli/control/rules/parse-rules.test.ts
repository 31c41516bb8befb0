import test from 'ava';
import {toRaw} from '../../../../cli/control/raw.js';
import {ruleToJson} from '../../../../cli/control/rules/format-rule.js';
import {parseRules} from '../../../../cli/control/rules/parse-rules.js';
import {loadNative} from '../../../../cli/native.js';

const native = loadNative();

function parse(text: string, isInstalled = false) {
	return parseRules(text, 'f', native, {isInstalled});
}

test('one rule a line, without comments', t => {
	const {rules, faults} = parse('# what goes where\n\nuse tcp server redis* 10.0.0.0/8:6000-7000 # old\r\n  set * polling_time=0\nprofile nginx latency\n');
	t.deepEqual(faults, []);
	t.deepEqual(rules.map(({line, text, parsed: {kind}}) => [line, text, kind]), [
		[3, 'use tcp server redis* 10.0.0.0/8:6000-7000', 'use'], [4, 'set * polling_time=0', 'set'], [5, 'profile nginx latency', 'profile'],
	]);
});

test('the JSON form says the same, as a list or in a document', t => {
	const {rules} = parse('use tcp server redis* 10.0.0.0/8:6000-7000\nuse both * * *:*\nuse shm client * [::1]:80\nset * polling_time=0 transport=shm\nprofile nginx latency\n');
	const list = rules.map(rule => ruleToJson(rule));
	for (const document of [list, {version: 1, rules: list}, {$schema: 'rules.schema.json', version: 1, rules: list}]) {
		const again = parse(JSON.stringify(document));
		t.deepEqual(again.faults, []);
		t.deepEqual(again.rules.map(({parsed}) => parsed), rules.map(({parsed}) => parsed));
	}
});

test('values in JSON may have units', t => {
	t.is(parse('[{"set": {"polling_time": "5ms"}}]').rules[0]?.text, 'set * polling_time=5000');
	t.like(parse('[\n{"set": {"polling_time": "5K"}}]').faults, [{line: 2, message: 'polling_time cannot be "5K"'}]);
});

test('values in text may have units, but not in an installed file', t => {
	t.deepEqual(parse('set * polling_time=5ms\nuse both * * * ring_size=16M').rules.map(({text}) => text), ['set * polling_time=5000', 'use both * * * ring_size=16777216']);
	t.like(parse('use both * * * ring_size=16M', true).faults, [{line: 1, message: 'the setting cannot have this value'}]);
});

test('what a use rule gives its connections', t => {
	const {rules: [rule, plain], faults} = parse('use both server redis-server *:6379 profile=latency ring_size=16M promote_after_calls=1 # x\nuse both * * *');
	t.deepEqual(faults, []);
	t.like(rule?.parsed, {kind: 'use', profile: 'latency', rest: 'ring_size=16777216 promote_after_calls=1'});
	t.false('rest' in plain!.parsed || 'profile' in plain!.parsed);
	t.like(parse('use both * * * profile=latency', true).faults, [{line: 1, message: 'a profile is not known to the library itself'}]);
	t.deepEqual(parse('use both * * * ring_size=0', true).faults, []);
});

test('a JSON rule about connections gives them settings, one about a program knows no connections', t => {
	t.is(parse('[{"use": "both", "program": "redis-server", "port": 6379, "profile": "latency", "set": {"ring_size": "16M"}}]').rules[0]?.text, 'use both * redis-server *:6379 profile=latency ring_size=16777216');
	for (const rule of ['{"set": {"ring_size": 64}, "port": 80}', '{"profile": "latency", "role": "server"}', '{"set": {"ring_size": 64}, "profile": "latency"}', '{"profile": "latency", "peer": "*"}']) {
		t.like(parse(`[\n${rule}]`).faults, [{line: 2, message: 'rule 1 is not as the schema has it'}], `${rule}`);
	}

	t.deepEqual(parse('[\n{"use": "both", "set": {"log_level": "debug"}}]').faults, [{
		file: 'f', line: 2, message: 'this setting is the whole process\'s, not a connection\'s: only a set rule can give it',
		remedy: 'It says "log_level=debug"; a rule of its own gives it to the whole process: "set * log_level=debug".',
	}]);
});

test('text beyond ASCII is text for people, bytes for the core', t => {
	const line = 'use tcp * caf\u00E9 * # \u20AC';
	t.like(parse(toRaw(line)).rules, [{text: 'use tcp * caf\u00E9 *', raw: toRaw('use tcp * caf\u00E9 *')}]);
	t.like(parse(toRaw(JSON.stringify([{use: 'tcp', program: 'caf\u00E9'}]))).rules, [{text: 'use tcp * caf\u00E9 *:*', raw: toRaw('use tcp * caf\u00E9 *:*')}]);
	t.regex(parse(toRaw('use tcp * * caf\u00E9')).faults[0]?.remedy ?? '', /"caf\u00E9"/);
});

test('a fault has its line, and what was meant', t => {
	for (const [line, pattern] of [
		['usee tcp * * *:*', /It says "usee"; did you mean use\?$/],
		['use tpc * * *:*', /did you mean tcp\?/],
		['use tcp servr * *:*', /did you mean server\?/],
		['set * poling_time=1', /no setting has this name.*did you mean polling_time\?/],
		['set * polling_time=-1', /It says "polling_time=-1"\. polling_time is a number from 0 to/],
		['profile * latancy', /no profile is called "latancy". Did you mean latency\?/],
		['profile * zzzzzz', /There are: balanced, latency, low-cpu, throughput\.$/],
		['use tcp * *', /A word is missing\./],
		['use both * * * io_uring=1', /whole process's, not a connection's: only a set rule can give it\. It says "io_uring=1"; .*"set \* io_uring=1"\.$/],
		['use both * * * transport=shm', /the transport of these connections is the word behind "use"/],
		['use both * * * ring_size=64 profile=latency', /one profile comes first, .*It says "profile=latency"/],
		['use both * * * profile=latency profile=low-cpu', /one profile comes first, .*It says "profile=low-cpu"/],
		['use both * * * profile=', /a profile has a name/],
		['use both * * * profile=latancy', /no profile is called "latancy"\. Did you mean latency\?/],
		['use both * * * latency', /a setting is written key=value/],
		['use both * * * ring_size=2G', /ring_size is a number from 0 to 1073741824/],
		['use tcp * * 10.0.0.1/33', /an IPv4 prefix has 0 to 32 bits/],
		[`use ${'x'.repeat(80)} * * *:*`, /It says "x{40}\.{3}"/],
	] as const) {
		const {rules, faults} = parse(`# first\n${line}\n`);
		t.is(rules.length, 0);
		t.like(faults, [{file: 'f', line: 2}]);
		t.regex(`${faults[0]?.message}. ${faults[0]?.remedy}`, pattern);
	}
});

test('all faults are told, and good rules are kept', t => {
	const {rules, faults} = parse('nonsense\nuse tcp * * *:*\nset\n');
	t.deepEqual([rules.length, faults.map(({line}) => line)], [1, [1, 3]]);
});

test('JSON that is none, or no rules', t => {
	for (const [text, line] of [['[\n{"use": "tcp"},\n]', 3], ['[\n{"use": "tpc"}]', 2], ['{"version": 1}', 1], ['[\n\n7]', 3], ['[\n{"use": "tcp",\n"prot": 80}]', 3], ['[{"use": "tcp"},\n{"use": "tcp", "port": "5-3"}]', 2]] as const) {
		const {faults} = parse(text);
		t.true(faults.length > 0, `\`${text}\``);
		t.deepEqual([...new Set(faults.map(fault => fault.line))], [line], `\`${text}\``);
	}
});

test('no more rules than the core has room for', t => {
	const rule = 'use tcp * * *:80\n';
	t.deepEqual(parse(rule.repeat(256)).faults, []);
	t.like(parse(`\n${rule.repeat(258)}`).faults, [{line: 258, message: 'more than 256 rules'}]);
});

test('an installed file has no profiles', t => {
	t.deepEqual(parse('profile * latency\n').faults, []);
	t.like(parse('\nprofile * latency\n', true).faults, [{line: 2, message: 'a profile is not known to the library itself'}]);
});
