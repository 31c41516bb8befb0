import test from 'ava';
import {listProfiles, readProfile} from '../../../../cli/control/profiles/profiles.js';
import {toRaw} from '../../../../cli/control/raw.js';
import {compileRules, ownSettings} from '../../../../cli/control/rules/compile-rules.js';
import {parseRulesText, type Rule} from '../../../../cli/control/rules/parse-rules.js';
import {loadNative} from '../../../../cli/native.js';

const native = loadNative();
const latency = 'polling_time=200 promote_after_calls=1 promote_after_bytes=32768 ring_size=0';

function parse(text: string): readonly Rule[] {
	const {rules, faults} = parseRulesText(toRaw(text), 'f', native);
	if (faults.length > 0) {
		throw new Error(faults[0]?.message);
	}

	return rules;
}

function compile(text: string, separator = '\n'): string {
	return compileRules(parse(text), native, separator);
}

function own(text: string): string[] | undefined {
	const parsed = parse(text)[0]?.parsed;
	return parsed?.kind === 'use' ? ownSettings(parsed, native) : undefined;
}

test('compiled rules have no profiles and no comments', t => {
	t.is(compile('use tcp * a *:80 # x\nprofile b latency'), `use tcp * a *:80\nset b ${latency}`);
	t.is(compile('use both server a *:80 profile=latency # x'), `use both server a *:80 ${latency}`);
	t.is(compile('  use\tboth * * [::1]/128:7-9 profile=latency'), `use both * * [::1]/128:7-9 ${latency}`);
});

test('what stands in the rule wins over its profile, and of a setting that is given twice the last value counts', t => {
	t.is(compile('use both * * * profile=latency ring_size=64 promote_tries=3 ring_size=128'), `use both * * * ${latency.replace('ring_size=0', 'ring_size=128')} promote_tries=3`);
	t.deepEqual(own('use both * * * ring_size=64 promote_tries=3 ring_size=128'), ['ring_size=128', 'promote_tries=3']);
	t.deepEqual(own('use both * * *'), []);
});

test('compiled rules have the bytes of their names', t => {
	t.is(compile('use tcp * caf\u00E9 *\nprofile \u20AC* latency\nuse both * \u20AC * profile=latency', ';'), toRaw(`use tcp * caf\u00E9 *;set \u20AC* ${latency};use both * \u20AC * ${latency}`));
	const {rules} = parseRulesText('profile \u00FF latency', 'f', native);
	t.is<string, string>(compileRules(rules, native, ''), `set \u00FF ${latency}`);
});

test('what is compiled is what the core takes', t => {
	const lines = compile(`use both server ${'x'.repeat(63)} [1111:2222:3333:4444:5555:6666:7777:8888]/128:10000-65535 profile=throughput promote_after_calls=1000000 rsocket_after_calls=1000000 promote_tries=30 polling_time=1000000`);
	t.like(native.ruleParse(toRaw(lines)), {kind: 'use', portMin: 10_000});
});

test('all of our profiles can be those of connections', t => {
	const ofConnection = new Set(native.options().filter(({isOfConnection}) => isOfConnection).map(({name}) => name));
	t.deepEqual([...ofConnection], ['polling_time', 'promote_after_calls', 'promote_after_bytes', 'rsocket_after_calls', 'promote_tries', 'ring_size']);
	for (const name of listProfiles()) {
		t.deepEqual([...readProfile(name, native).settings.keys()].filter(key => !ofConnection.has(key)), [], `${name}`);
	}
});
