import test from 'ava';
import {checkConfiguration, checkProfile, checkRules} from '../../../../cli/control/config/check-document.js';
import {formatFault} from '../../../../cli/control/config/fault.js';
import {loadNative} from '../../../../cli/native.js';

const native = loadNative();

type Check = typeof checkConfiguration | typeof checkProfile | typeof checkRules;

/** Faults of a text, as they are printed. */
function faultsOf(check: Check, text: string): string[] {
	const checked = check(JSON.parse(text) as unknown, {text, file: 'f'}, native);
	return 'faults' in checked ? checked.faults.map(fault => formatFault(fault)) : [];
}

test('what fits is returned as it is', t => {
	const value = {version: 1, settings: {polling_time: '5ms', transport: 'shm'}, rules: [{use: 'tcp', peer: '[::1]', port: '1-2'}, {set: {ring_size: 64}}, {profile: 'latency', program: 'nginx'}], preload: []};
	t.deepEqual(checkConfiguration(value, {text: '', file: 'f'}, native), {value} as unknown as ReturnType<typeof checkConfiguration>);
	t.deepEqual(faultsOf(checkRules, '[]'), []);
	t.deepEqual(faultsOf(checkRules, '{"version": 1, "rules": []}'), []);
	t.deepEqual(faultsOf(checkProfile, '{"summary": "s", "cost": "c", "settings": {}}'), []);
});

test('what stands where, in words instead of patterns', t => {
	for (const [text, ...faults] of [
		['7', 'f:1: the document is not as the schema has it. It is an object.'],
		['null', 'f:1: the document is not as the schema has it. It is an object.'],
		['{"version": 2}', 'f:1: version is not as the schema has it. It is 1.'],
		['{\n"version": 1,\n"rules": 7}', 'f:3: rules is not as the schema has it. It is a list. The first one that matches decides.'],
		['{"version": 1,\n"settings": []}', 'f:2: settings is not as the schema has it. It is an object.'],
		['{"version": 1,\n"settings": {"transport": "rdma"}}', 'f:2: transport cannot have this value. It is one of auto, shm, tcp.'],
		['{"version": 1,\n"settings": {"polling_time": 1.5}}', 'f:2: polling_time cannot have this value. It is a number from 0 to 1000000 (us); 10us, 5ms, 1s are understood.'],
		['{"version": 1,\n"settings": {"polling_time": true}}', 'f:2: polling_time cannot have this value. It is a number from 0 to 1000000 (us); 10us, 5ms, 1s are understood.'],
		['{"version": 1,\n"rules": [{"use": "tcp"},\n{"use": "tcp", "role": "both"}]}', 'f:3: rule 2: role is not as the schema has it. It is one of server, client, *.'],
		['{"version": 1,\n"rules": [{"set": {}}]}', 'f:2: rule 1: set is not as the schema has it. It names at least one.'],
		['{"version": 1,\n"rules": [{}]}', 'f:2: rule 1 is not as the schema has it. It has use, maybe with set and profile; or one of these two alone, without role, peer and port.'],
		['{"version": 1,\n"rules": [null]}', 'f:2: rule 1 is not as the schema has it. It is an object.'],
		['{"version": 1,\n"preload": [{"program": "a b", "domain": "*", "type": "*", "protocol": "*"}]}', 'f:2: preload entry 1: program is not as the schema has it. It is text without spaces, # and control characters.'],
		['{"version": 1,\n"preload": [{"program": "a", "domain": "*", "type": "*"}]}', 'f:2: preload entry 1 is not as the schema has it. It needs "protocol".'],
		['{"version": 1,\n"nonsense": 1}', 'f:2: the document knows no "nonsense". Remove it.'],
		['{"version": 1,\n"setings": {}}', 'f:2: the document knows no "setings". Did you mean settings?'],
	] as const) {
		t.deepEqual(faultsOf(checkConfiguration, text), [...faults], `${text}`);
	}
});

test('every fault is told, in the order of lines', t => {
	t.deepEqual(faultsOf(checkConfiguration, '{"version": 1,\n"rules": [\n{"use": "tpc"},\n{"use": "tcp", "prot": 1}],\n"settings": {\n"polling_time": "5K",\n"poling_time": 1}}').map(fault => fault.split('. ', 1)[0]), [
		'f:3: rule 1: use is not as the schema has it', 'f:4: rule 2 knows no "prot"', 'f:6: polling_time cannot be "5K"', 'f:7: settings knows no "poling_time"',
	]);
});

test('a value that does not fit is told once', t => {
	t.is(faultsOf(checkConfiguration, '{"version": 1, "settings": {"polling_time": -1}}').length, 1);
	t.is(faultsOf(checkProfile, '{"summary": "s", "cost": "c", "settings": {"polling_time": "99s"}}').length, 1);
	t.is(faultsOf(checkConfiguration, '{"version": 1, "settings": {"__proto__": 1}}').length, 1);
});

test('names that look like those of the schema\'s paths', t => {
	t.deepEqual(faultsOf(checkConfiguration, '{"version": 1,\n"settings": {"a/b": 1,\n"c~d": 2}}').map(fault => fault.replace(/\. .*/, '')), ['f:2: settings knows no "a/b"', 'f:3: settings knows no "c~d"']);
});

test('what else is wrong is looked for only where the schema is kept', t => {
	const text = '{"version": 1, "rules": [{"use": "tcp"}, {"use": 7}]}';
	const seen: boolean[] = [];
	const checked = checkConfiguration(JSON.parse(text), {text, file: 'f'}, native, (_value, isSound) => {
		seen.push(isSound('/rules/0'), isSound('/rules/1'), isSound('/rules'), isSound('/rules/11'));
		return [{file: 'f', line: 1, message: 'more', remedy: 'M.'}];
	});
	t.deepEqual(seen, [true, false, false, true]);
	t.true('faults' in checked && checked.faults.some(({message}) => message === 'more'));
});
