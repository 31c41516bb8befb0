import test from 'ava';
import {toRaw} from '../../../../cli/control/raw.js';
import {ruleToJson} from '../../../../cli/control/rules/format-rule.js';
import {compileRules, parseRules} from '../../../../cli/control/rules/parse-rules.js';
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

test('compiled rules have no profiles and no comments', t => {
	const {rules} = parse('use tcp * a *:80 # x\nprofile b latency');
	t.is(compileRules(rules, name => [`polling_time=${name.length}`, 'ring_size=64'], '\n'), 'use tcp * a *:80\nset b polling_time=7 ring_size=64');
});

test('compiled rules have the bytes of their names', t => {
	const {rules} = parse(toRaw('use tcp * caf\u00E9 *\nprofile \u20AC* latency'));
	t.is(compileRules(rules, () => ['ring_size=64'], ';'), toRaw('use tcp * caf\u00E9 *;set \u20AC* ring_size=64'));
});
