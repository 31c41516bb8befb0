import test from 'ava';
import {considerUseRules, findSettingsRule, findUseRule, type Subject} from '../../../../cli/control/rules/decide.js';
import {findUnreachable} from '../../../../cli/control/rules/find-unreachable.js';
import {parseRules} from '../../../../cli/control/rules/parse-rules.js';
import {loadNative} from '../../../../cli/native.js';

const native = loadNative();
const subject: Subject = {program: 'redis-server', role: 'server', address: '10.0.0.5', port: 6379};

function parse(...lines: readonly string[]) {
	return parseRules(lines.join('\n'), 'f', native).rules;
}

test('the first rule that matches decides, and those before it say why they did not', t => {
	const lines = [
		'set * polling_time=0', 'use tcp * nginx *:*', 'use tcp client redis* *:*', 'use tcp server redis* *:80', 'use tcp server redis* 192.168.0.0/16:*',
		'use shm server redis* 10.0.0.0/8:6000-7000', 'use tcp * * *:*',
	]);
	t.deepEqual(considerUseRules(rules, subject, native).map(({rule, mismatch}) => [rule.line, mismatch]), [
		[2, 'program'], [3, 'role'], [4, 'port'], [5, 'peer'], [6, undefined],
	]);
	t.is(findUseRule(rules, subject, native)?.line, 6);
});

test('without a matching rule none decides', t => {
	const rules = parse('use tcp * nginx *:*', 'set redis-server polling_time=0');
	t.deepEqual(considerUseRules(rules, subject, native).map(({mismatch}) => mismatch), ['program']);
	t.is(findUseRule(rules, subject, native), undefined);
});

test('addresses of both families', t => {
	const decides = (rule: string, address: string) => findUseRule(parse(rule), {...subject, address}, native) !== undefined;
	t.true(decides('use tcp * * [::1]:*', '::1'));
	t.true(decides('use tcp * * [fe80::/10]:*', 'fe80::7') || decides('use tcp * * [fe80::]/10:*', 'fe80::7'));
	t.false(decides('use tcp * * [::1]:*', '::2'));
	t.false(decides('use tcp * * 10.0.0.0/8:*', '11.0.0.1'));
});

test('of set and profile rules the first one for the program counts', t => {
	const rules = parse('use tcp * * *:*', 'set nginx polling_time=1', 'profile redis* latency', 'set * polling_time=0');
	t.is(findSettingsRule(rules, 'redis-server', native)?.line, 3);
	t.is(findSettingsRule(rules, 'curl', native)?.line, 4);
	t.is(findSettingsRule(parse('use tcp * * *:*'), 'curl', native), undefined);
});

test('rules that can never decide are found', t => {
	const found = (...lines: readonly string[]) => findUnreachable(parse(...lines)).map(({rule, because}) => [rule.line, because.line]);
	t.deepEqual(found('use both * * *:*', 'use tcp server nginx 10.0.0.1:80'), [[2, 1]]);
	t.deepEqual(found('use tcp * nginx *:80-90', 'use both server nginx *:85', 'use both server nginx *:91'), [[2, 1]]);
	t.deepEqual(found('use tcp server * *:*', 'use tcp client * *:*', 'use tcp * * 10.0.0.1:*'), []);
	t.deepEqual(found('set * polling_time=0', 'profile nginx latency', 'use tcp * * *:*'), [[2, 1]]);
	t.deepEqual(found('set nginx polling_time=0', 'set redis polling_time=1'), []);
});
