import test from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {tryRules, type RuleSubject} from '../../../../cli/control/rules/try-rules.js';
import {loadNative} from '../../../../cli/native.js';
import {makeRoot} from '../../helpers/make-root.js';

const native = loadNative();
const rules = 'use tcp server redis-server *:6379\nuse both * redis-* 10.0.0.0/8:6379\nset redis-* polling_time=0\nprofile * latency\nuse shm client * [fd00::]/8:7000-7010\n';

function attempt(t: Parameters<typeof makeRoot>[0], subject: RuleSubject, text = rules) {
	const directory = makeRoot(t, {'new.rules': text});
	return tryRules(`${directory}/new.rules`, subject, directory, native);
}

test('both roles are tried, each down to the rule that decides', t => {
	const {program, verdicts, settings} = attempt(t, {program: '/usr/bin/redis-server', peer: '10.0.0.5:6379'});
	t.is(program, 'redis-server');
	t.deepEqual(verdicts.map(({role, transport, considered}) => [role, transport, considered.map(({rule, mismatch}) => [rule.line, mismatch])]), [
		['server', 'tcp', [[1, undefined]]],
		['client', 'auto', [[1, 'role'], [2, undefined]]],
	]);
	t.is(settings?.line, 3);
});

test('one role alone, and nothing that decides', t => {
	const {verdicts, settings} = attempt(t, {program: 'nginx', peer: '[fd00::1]:7011', role: 'client'});
	t.deepEqual(verdicts.map(({role, transport, considered}) => [role, transport, considered.map(({mismatch}) => mismatch)]), [['client', undefined, ['program', 'program', 'port']]]);
	t.is(settings?.line, 4);
	t.is(attempt(t, {program: 'nginx', peer: '1.2.3.4:5'}, '# none\n').settings, undefined);
});

test('what the rule that decides gives the connection', t => {
	const {verdicts} = attempt(t, {program: 'nginx', peer: '1.2.3.4:80'}, 'use both server * *:80 profile=low-cpu polling_time=5\nuse both * * *\n');
	t.deepEqual(verdicts.map(({profile, settings}) => [profile, settings]), [
		['low-cpu', {polling_time: 5, promote_after_calls: 32, promote_after_bytes: 262_144, ring_size: 0}], [undefined, {}],
	]);
});

test('IPv4 within IPv6 is IPv4 to the rules', t => {
	t.is(attempt(t, {program: 'redis-cli', peer: '[::ffff:10.1.2.3]:6379', role: 'client'}).verdicts[0]?.transport, 'auto');
});

test('those that are installed, or none', t => {
	const directory = makeRoot(t, {rules: 'use tcp * * *\n'});
	t.like(tryRules(undefined, {program: 'a', peer: '1.2.3.4:5'}, directory, native), {file: `${directory}/rules`, verdicts: [{transport: 'tcp'}, {transport: 'tcp'}]});
	t.like(tryRules(undefined, {program: 'a', peer: '1.2.3.4:5'}, '/nowhere', native), {verdicts: [{transport: undefined, considered: []}, {transport: undefined}]});
});

test('faulty rules and faulty questions are refused', t => {
	t.like(t.throws(() => attempt(t, {program: 'a', peer: '1.2.3.4:5'}, 'use tcp * * *\nuse\n'), {instanceOf: CliError, message: /new\.rules:2: /}), {code: 'invalid', remedy: 'With faulty rules every connection stays on TCP.'});
	t.like(t.throws(() => attempt(t, {program: 'a', peer: 'host:5'}), {instanceOf: CliError}), {code: 'peer'});
});
