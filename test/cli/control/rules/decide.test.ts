import test from 'ava';
import {considerUseRules, findSettingsRule, findUseRule, type Subject} from '../../../../cli/control/rules/decide.js';
import {parseRulesText, type Rule} from '../../../../cli/control/rules/parse-rules.js';
import {toRaw} from '../../../../cli/control/raw.js';
import {loadNative} from '../../../../cli/native.js';

const native = loadNative();

function parse(...lines: string[]): readonly Rule[] {
	return parseRulesText(lines.join('\n'), 'rules', native).rules;
}

const subject: Subject = {program: 'redis-server', role: 'server', address: '10.0.0.5', port: 6379};

test('the first one that matches decides', t => {
	const rules = parse('use tcp client * *', 'use tcp * nginx *', 'set redis-* polling_time=0', 'use tcp * * *:80-90', 'use tcp * * 11.0.0.0/8', 'use shm server redis-* 10.0.0.0/8:6379', 'use tcp * * *');
	t.deepEqual(considerUseRules(rules, subject, native).map(({rule, mismatch}) => [rule.line, mismatch]), [[1, 'role'], [2, 'program'], [4, 'port'], [5, 'peer'], [6, undefined]]);
	t.is(findUseRule(rules, subject, native)?.line, 6);
	t.is(findUseRule(rules.slice(0, 2), subject, native), undefined);
	t.is(findSettingsRule(rules, 'redis-cli', native)?.line, 3);
	t.is(findSettingsRule(rules, 'curl', native), undefined);
});

test('both families, prefixes that end within a byte', t => {
	const matches = (rule: string, address: string) => findUseRule(parse(rule), {...subject, address}, native) !== undefined;
	t.true(matches('use tcp * * 10.0.0.4/30', '10.0.0.7'));
	t.false(matches('use tcp * * 10.0.0.4/30', '10.0.0.8'));
	t.true(matches('use tcp * * [fd00::]/9', 'fd7f::1'));
	t.false(matches('use tcp * * [fd00::]/9', 'fd80::1'));
	t.false(matches('use tcp * * 0.0.0.0/0', '::1'));
	t.true(matches('use tcp * r*s*v*r *', '::1'));
});

test('names beyond ASCII', t => {
	const rules = parse(toRaw('use tcp * caf\u00E9 *'), toRaw('set caf* polling_time=0'), toRaw('use shm client *f\u00E9 *'));
	t.is(findUseRule(rules, {...subject, program: 'caf\u00E9'}, native)?.line, 1);
	t.is(findSettingsRule(rules, 'caf\u00E9', native)?.line, 2);
	t.is(findSettingsRule(parse(toRaw('set caf\u00E9 polling_time=0')), 'caf\u00E9', native)?.line, 1);
	t.deepEqual(considerUseRules(rules.slice(2), {...subject, program: 'caf\u00E9'}, native).map(({mismatch}) => mismatch), ['role']);
});
