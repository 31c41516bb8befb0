import test from 'ava';
import {findRefusal, type Side} from '../../../../cli/control/check/decide-side.js';
import {loadNative} from '../../../../cli/native.js';
import {makeRoot} from '../../helpers/make-root.js';

const native = loadNative();
const side: Side = {program: 'redis-server', role: 'server', address: '10.0.0.5', port: 6379, settings: '', rules: undefined, configDirectory: '/nowhere'};

test('nothing is against it', t => {
	t.is(findRefusal(side, native), undefined);
	const configDirectory = makeRoot(t, {transport: 'shm\n', rules: 'use tcp client * *\nuse both * * *\nuse tcp * * *\n'});
	t.is(findRefusal({...side, configDirectory}, native), undefined);
});

test('the transport setting, by where it stands; the environment is stronger than rules, rules are than files', t => {
	const file = makeRoot(t, {transport: 'tcp\n'});
	t.deepEqual(findRefusal({...side, configDirectory: file}, native), {code: 'setting', where: `${file}/transport`});
	t.is(findRefusal({...side, configDirectory: file, settings: 'transport=shm'}, native), undefined);
	t.is(findRefusal({...side, configDirectory: file, rules: 'set redis-* transport=auto'}, native), undefined);
	t.deepEqual(findRefusal({...side, settings: 'polling_time=0,transport=tcp'}, native), {code: 'setting', where: 'RSOCKET_SET'});
	const rules = makeRoot(t, {rules: '# first\nset redis-* transport=tcp\n'});
	t.deepEqual(findRefusal({...side, configDirectory: rules}, native), {code: 'setting', where: `${rules}/rules, line 2`});
	t.is(findRefusal({...side, configDirectory: rules, program: 'nginx'}, native), undefined);
	t.is(findRefusal({...side, configDirectory: rules, settings: 'transport=auto'}, native), undefined);
	t.deepEqual(findRefusal({...side, rules: 'set nginx transport=tcp;set * polling_time=0 transport=tcp'}, native), {code: 'setting', where: 'RSOCKET_RULES, line 2'});
});

test('a value that the library does not take is not where the setting comes from', t => {
	const rules = makeRoot(t, {rules: 'set redis-* transport=tcp\n'});
	t.deepEqual(findRefusal({...side, configDirectory: rules, settings: 'transport=rdma'}, native), {code: 'setting', where: `${rules}/rules, line 1`});
	t.is(findRefusal({...side, settings: 'transport=rdma'}, native), undefined);
});

test('a rule for the connection', t => {
	const configDirectory = makeRoot(t, {rules: 'use both client * *\n  use tcp server redis-* 10.0.0.0/8:6379 # not here\n'});
	t.deepEqual(findRefusal({...side, configDirectory}, native), {code: 'rule', where: `${configDirectory}/rules, line 2: use tcp server redis-* 10.0.0.0/8:6379`});
	t.is(findRefusal({...side, configDirectory, port: 6380}, native), undefined);
	t.is(findRefusal({...side, configDirectory, role: 'client'}, native), undefined);
});

test('the variable takes the place of the installed rules, unless it is empty', t => {
	const configDirectory = makeRoot(t, {rules: 'use tcp * * *\n'});
	t.is(findRefusal({...side, configDirectory, rules: '#'}, native), undefined);
	t.is(findRefusal({...side, configDirectory, rules: ''}, native)?.code, 'rule');
	t.deepEqual(findRefusal({...side, rules: 'use shm client * *;use tcp * * *:6379'}, native), {code: 'rule', where: 'RSOCKET_RULES, line 2: use tcp * * *:6379'});
});

test('one faulty rule keeps everything on TCP', t => {
	const configDirectory = makeRoot(t, {rules: 'use both * * *\nuse nothing * * *\n'});
	t.deepEqual(findRefusal({...side, configDirectory}, native), {code: 'rule', where: `${configDirectory}/rules, which has a fault`});
	t.deepEqual(findRefusal({...side, rules: 'use both * * *;nonsense'}, native), {code: 'rule', where: 'RSOCKET_RULES, which has a fault'});
});

test('a faulty file of a setting is as if it were not there', t => {
	t.is(findRefusal({...side, configDirectory: makeRoot(t, {transport: 'tpc\n'})}, native), undefined);
});
