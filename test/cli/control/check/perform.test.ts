import {existsSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import {findBreakage, findDifferences, firstDifference, perform, withoutIgnored, type Circumstances, type Outcome} from '../../../../cli/control/check/perform.js';
import {type Manifest} from '../../../../cli/control/check/manifest.js';
import {loadNative, preloadLibrary} from '../../../../cli/native.js';
import {makeTemporaryDirectory} from '../../helpers/temporary-directory.js';
import {tinyApp} from '../../helpers/tiny-app.js';

const outcome: Outcome = {steps: {talk: {status: 0, output: 'one\ntwo'}}, connections: [], durationMs: 1, error: undefined, stubborn: [], log: '$ client'};

function got(change: Partial<Outcome>): Outcome {
	return {...outcome, ...change};
}

async function run(manifest: Manifest, change: Partial<Circumstances> = {}): Promise<Outcome> {
	return perform(manifest, {
		mode: 'plain', settings: '', library: preloadLibrary, native: loadNative(), npmDirectory: '/npm', searchPath: process.env['PATH'] ?? '',
		readyTimeoutMs: 20_000, stepTimeoutMs: 20_000, signal: new AbortController().signal, ...change,
	});
}

const idle = tinyApp({start: [], verify: {}, promotes: 'it does not talk'});

test('an application is prepared, started, exercised and stopped', async t => {
	const {steps, connections, error, stubborn, log} = await run({
		...tinyApp(), files: {conf: ['port {port}', 'end'], 'raw.txt': 'as it is'}, directories: {data: ''}, prepare: [{run: ['sh', '-c', 'cat conf raw.txt >data/both']}],
		exercise: [...tinyApp().exercise, {name: 'read', run: ['cat', 'data/both'], ignore: [String.raw`\d{4,5}`]}, {name: 'fail', run: ['sh', '-c', 'exit 3'], status: 3}],
	}, {mode: 'both', settings: 'promote_after_calls=1'});
	t.is(error, undefined);
	t.deepEqual(steps, {talk: {status: 0, output: 'done\n'}, read: {status: 0, output: 'port \nend\nas it is'}, fail: {status: 3, output: ''}});
	t.deepEqual(connections.map(({isPromoted}) => isPromoted), [true, true]);
	t.deepEqual(stubborn, []);
	t.regex(log, /^\$ sh -c /);
});

test('words of the manifest\'s place', async t => {
	const {steps} = await run({...idle, programs: '/own', exercise: [{name: 'words', run: ['echo', '{npm}', '{programs}']}]});
	t.is(steps['words']?.output, '/npm/node_modules /own\n');
});

test('what keeps it from its steps is told, and no step is run', async t => {
	const marker = path.join(makeTemporaryDirectory(t), 'marker');
	const exercise = [{name: 'talk', run: ['touch', marker]}];
	const prepared = await run({...idle, exercise, prepare: [{run: ['sh', '-c', 'echo why >&2; exit 9']}]});
	t.regex(prepared.error ?? '', /^sh -c .* ended with 9: why\n$/);
	const started = await run({...idle, exercise, start: [{run: ['sh', '-c', 'exit 4'], ready: {port: 'port'}}]});
	t.regex(started.error ?? '', /^sh -c exit 4 ended\n/);
	t.deepEqual([prepared.steps, started.steps], [{}, {}]);
	t.false(existsSync(marker));
});

test('what the manifest promises of a plain run', t => {
	const manifest = tinyApp({verify: {talk: '^one$'}});
	t.regex(findBreakage(manifest, outcome) ?? '', /^the output of talk does not match \^one\$: one\ntwo$/);
	t.is(findBreakage(tinyApp({verify: {talk: String.raw`^one\ntwo$`}}), outcome), undefined);
	t.is(findBreakage(tinyApp({verify: {}}), outcome), undefined);
	t.is(findBreakage(manifest, got({error: 'why'})), 'why');
	t.is(findBreakage(manifest, got({steps: {}})), 'talk ended with nothing, not 0\n$ client');
	t.is(findBreakage(manifest, got({steps: {talk: {status: 'SIGSEGV', output: ''}}})), 'talk ended with SIGSEGV, not 0\n$ client');
	const expected = {...manifest, exercise: [{name: 'talk', run: ['x'], status: 3}]};
	t.is(findBreakage(expected, outcome), 'talk ended with 0, not 3\n$ client');
});

test('long output is cut in what is told', t => {
	const message = findBreakage(tinyApp({verify: {talk: '^y'}}), got({steps: {talk: {status: 0, output: 'x'.repeat(301)}}})) ?? '';
	t.true(message.endsWith(`: ${'x'.repeat(300)}... (301 characters)`));
	t.deepEqual(firstDifference('x'.repeat(300), ''), {expected: `line 1: ${'x'.repeat(300)}`, got: 'line 1: '});
});

test('two runs are compared step by step, and by how they end', t => {
	t.deepEqual(findDifferences(outcome, outcome), []);
	t.deepEqual(findDifferences(outcome, got({steps: {talk: {status: 1, output: 'one\nthree'}}})), [
		{step: 'talk', what: 'status', expected: '0', got: '1'}, {step: 'talk', what: 'output', expected: 'line 2: two', got: 'line 2: three'},
	]);
	t.deepEqual(findDifferences(outcome, got({steps: {}})), [
		{step: 'talk', what: 'status', expected: '0', got: 'undefined'}, {step: 'talk', what: 'output', expected: 'line 1: one', got: 'line 1: '},
	]);
	t.deepEqual(findDifferences(outcome, got({error: 'why', steps: {}})), [{step: 'start', what: 'error', expected: 'ready', got: 'why'}]);
	t.deepEqual(findDifferences(got({stubborn: ['a']}), got({stubborn: ['a', 'b']})), [{step: 'stop', what: 'b', expected: 'ends when told to', got: 'had to be killed'}]);
	// What was slow before may be fast now.
	t.deepEqual(findDifferences(got({stubborn: ['a']}), outcome), []);
});

test('the line in which two texts part', t => {
	for (const [expected, other, left, right] of [
		['a\nb', 'a\nc', 'line 2: b', 'line 2: c'], ['a\nb', 'a', 'line 2: b', 'line 2: (end)'], ['a', 'a\nb', 'line 2: (end)', 'line 2: b'], ['', 'a', 'line 1: ', 'line 1: a'], ['a', 'a\n', 'line 2: (end)', 'line 2: '],
	] as const) {
		t.deepEqual(firstDifference(expected, other), {expected: left, got: right}, `${JSON.stringify([expected, other])}`);
	}
});

test('what may differ is taken out, line by line', t => {
	t.is(withoutIgnored('a 1\nb 22\n', [String.raw`\d+$`]), 'a \nb \n');
	t.is(withoutIgnored('time: 3\nend', ['^time.*$', 'e']), '\nnd');
	t.is(withoutIgnored('a', []), 'a');
	t.is(withoutIgnored('€x', ['^.']), 'x');
});
