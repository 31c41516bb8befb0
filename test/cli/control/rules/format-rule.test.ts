import test from 'ava';
import {checkRules} from '../../../../cli/control/config/check-document.js';
import {toRaw} from '../../../../cli/control/raw.js';
import {formatRule, ruleToJson, type RuleJson} from '../../../../cli/control/rules/format-rule.js';
import {parseRuleList, parseRulesText, type Rule} from '../../../../cli/control/rules/parse-rules.js';
import {loadNative} from '../../../../cli/native.js';

const native = loadNative();

function parse(line: string): Rule {
	const {rules: [rule], faults} = parseRulesText(toRaw(line), 'rules', native);
	if (!rule) {
		throw new Error(faults[0]?.message);
	}

	return rule;
}

/** From its JSON form, as a document has it. */
function parseJson(json: RuleJson): Rule | undefined {
	const checked = checkRules([json], {text: '', file: 'f'}, native);
	return 'faults' in checked ? undefined : parseRuleList([json], {text: '', file: 'f', path: ''}, native).rules[0];
}

test('text and JSON say the same', t => {
	for (const line of [
		'use tcp server redis-* 10.0.0.0/8:6379', 'use both * * *:*', 'use auto * * *', 'use shm client x [::1]:7-9', 'use tcp * * *:1-65535', 'use tcp * a=b *', 'use tcp * caf\u00E9 *',
		'use both server x *:80 profile=latency ring_size=64', 'use both * * * profile=low-cpu', 'use tcp * * * promote_tries=3 polling_time=0',
		'set * polling_time=0 transport=shm', 'set caf\u00E9 polling_time=0', 'profile nginx latency',
	]) {
		const rule = parse(line);
		t.deepEqual(parse(formatRule(ruleToJson(rule))).parsed, rule.parsed, `${line}`);
		t.deepEqual(parseJson(ruleToJson(rule))?.parsed, rule.parsed, `${line}`);
	}
});

test('numbers of a set rule may stand as the core takes them', t => {
	for (const [text, value] of [['0x40', 64], ['0X40', 64], ['010', 10]] as const) {
		const json = ruleToJson(parse(`set a ring_size=${text}`));
		t.deepEqual(json, {set: {ring_size: value}, program: 'a'}, `${text}`);
		t.is(parseJson(json)?.text, `set a ring_size=${value}`);
	}
});

test('the JSON form has numbers, and nothing that is any', t => {
	t.deepEqual(ruleToJson(parse('use auto server x *:80')), {use: 'both', role: 'server', program: 'x', peer: '*', port: 80});
	t.deepEqual(ruleToJson(parse('use tcp * * [fd00::]/8:80-90')), {use: 'tcp', role: '*', program: '*', peer: '[fd00::]/8', port: '80-90'});
	t.false('port' in ruleToJson(parse('use tcp * * *')));
	t.deepEqual(ruleToJson(parse('set a polling_time=5 transport=shm')), {set: {polling_time: 5, transport: 'shm'}, program: 'a'});
	t.deepEqual(ruleToJson(parse('profile * latency')), {profile: 'latency', program: '*'});
	t.is(ruleToJson(parse('use tcp * caf\u00E9 *')).program, 'caf\u00E9');
});

test('of a setting that is given twice the last value counts, as with the core', t => {
	t.deepEqual(ruleToJson(parse('set a polling_time=5 polling_time=6')), {set: {polling_time: 6}, program: 'a'});
});

test('what a rule in JSON leaves open is any', t => {
	t.is(formatRule({use: 'tcp'}), 'use tcp * * *:*');
	t.is(formatRule({use: 'tcp', port: 80}), 'use tcp * * *:80');
	t.is(formatRule({profile: 'latency'}), 'profile * latency');
	t.is(formatRule({use: 'both', set: {ring_size: 64}, profile: 'latency'}), 'use both * * *:* profile=latency ring_size=64');
	t.is(formatRule({set: {polling_time: 1, transport: 'shm'}, program: 'a'}), 'set a polling_time=1 transport=shm');
});
