import test from 'ava';
import {findUnreachable} from '../../../../cli/control/rules/find-unreachable.js';
import {parseRulesText} from '../../../../cli/control/rules/parse-rules.js';
import {loadNative} from '../../../../cli/native.js';

const native = loadNative();

/** Pairs of the line that is never reached and the one that always comes first. */
function find(...lines: string[]): Array<readonly [number, number]> {
	const {rules, faults} = parseRulesText(lines.join('\n'), 'rules', native);
	if (faults.length > 0) {
		throw new Error(faults[0]?.message);
	}

	return findUnreachable(rules).map(({rule, because}) => [rule.line, because.line]);
}

test('rules that nothing reaches', t => {
	t.deepEqual(find('use both * a *', 'use tcp * a *:80', 'set * polling_time=0', 'profile nginx latency', 'use tcp server b *:1-9', 'use tcp server b *:3', 'use tcp client b *:3'), [[2, 1], [4, 3], [6, 5]]);
});

test('the first one that covers it is named, each once', t => {
	t.deepEqual(find('use tcp * * *', 'use tcp * * *:80', 'use shm * * *:80', '', 'use both * * *'), [[2, 1], [3, 1], [5, 1]]);
	t.deepEqual(find(), []);
});

test('each word must be as wide', t => {
	for (const [earlier, later, isCovered] of [
		['use tcp * * *', 'use shm server a 10.0.0.0/8:80', true], ['use tcp server * *', 'use tcp * * *', false], ['use tcp server * *', 'use tcp client * *', false],
		['use tcp * * *:80', 'use tcp * * *', false], ['use tcp * * *:80-90', 'use tcp * * *:80-90', true], ['use tcp * * *:80-90', 'use tcp * * *:79-90', false], ['use tcp * * *:80-90', 'use tcp * * *:80-91', false],
		['use tcp * * 10.0.0.0/8', 'use tcp * * *', false], ['use tcp * a *', 'use tcp * b *', false], ['use tcp * a *', 'use tcp * * *', false],
		['use both * * *:80', 'use both * * *:80 profile=latency', true], ['use both * * *:80 ring_size=64', 'use tcp * * *:80', true], ['use both * * *:80 ring_size=64', 'set * ring_size=64', false],
		['set a polling_time=0', 'set a ring_size=64', true], ['set a polling_time=0', 'set * polling_time=0', false], ['set * polling_time=0', 'use tcp * * *', false], ['use tcp * * *', 'set * polling_time=0', false],
	] as const) {
		t.deepEqual(find(earlier, later), isCovered ? [[2, 1]] : [], `${earlier}, then ${later}`);
	}
});

test('what is not plain to see is not told', t => {
	t.deepEqual(find('use tcp * * 10.0.0.0/8', 'use tcp * * 10.1.0.0/16'), []);
	t.deepEqual(find('use tcp * redis-* *', 'use tcp * redis-server *'), []);
	// Together they cover it.
	t.deepEqual(find('use tcp server * *', 'use tcp client * *', 'use shm * * *'), []);
});
