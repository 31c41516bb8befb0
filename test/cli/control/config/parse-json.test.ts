import test from 'ava';
import {parseJson} from '../../../../cli/control/config/parse-json.js';

test('sound JSON is parsed', t => {
	t.deepEqual(parseJson('{"a": [1]}', 'x'), {value: {a: [1]}});
});

test('a fault has its line', t => {
	for (const [text, line] of [['{\n\t"a": 1,\n}', 3], ['{\n"a": tru\n}', 2], ['[1,\n2', 2], ['', 1], ['{\n\n"a" 1}', 3]] as const) {
		const parsed = parseJson(text, 'f.json');
		t.like(parsed, {fault: {file: 'f.json', line}}, `${text}`);
	}
});

test('the message does not repeat the position', t => {
	const parsed = parseJson('{"a": 1,}', 'f.json');
	t.true('fault' in parsed && parsed.fault.message.startsWith('no JSON: ') && !parsed.fault.message.includes('position'));
});
