import test from 'ava';
import {countStatuses, escapeXml, formatMatrix, formats, type Results} from '../../../../cli/control/check/format-matrix.js';
import {type Cell} from '../../../../cli/control/check/run-matrix.js';

const cell: Cell = {app: 'redis', mode: 'both', transport: 'auto', status: 'same', durationMs: 1234, ends: 4, promoted: 2, reasons: {new: 2}, differences: [], why: '', attempts: 1};
const nasty = 'talk: output: expected "a|b" & <c>, got \u0000 # </script>\nsecond line';
const results: Results = {
	startedAt: '2026-01-02T03:04:05.000Z', durationMs: 65_432, machine: 'host, Linux 6.1', cells: [
		cell, {...cell, mode: 'client', status: 'unpromoted', why: '0 of 2 ends were promoted'},
		{...cell, app: 'nginx', status: 'differs', why: nasty, attempts: 2}, {...cell, app: 'curl', status: 'skipped', why: 'curl is not installed'}, {...cell, app: 'exim', status: 'broken', why: 'exim4 ended'},
	],
};

test('every status is counted', t => {
	t.deepEqual(countStatuses(results.cells), {same: 1, unpromoted: 1, differs: 1, broken: 1, skipped: 1});
});

test('the table', t => {
	const lines = formatMatrix(results, 'table').split('\n');
	t.regex(lines[0] ?? '', /^program +both\/auto +client\/auto$/);
	t.regex(lines[1] ?? '', /^redis +same 2\/4 +unpromoted 2\/4$/);
	t.regex(lines[2] ?? '', /^nginx +differs 2\/4 \(attempt 2\)$/);
	t.regex(lines[3] ?? '', /^curl +skipped$/);
	t.is(lines.at(-1), '1 same, 1 unpromoted, 1 differs, 1 broken, 1 skipped in 65.4 s (promoted/seen ends)');
	t.true(formatMatrix(results, 'table', (style, text) => `<${String(style)}>${text}`).includes('<red>differs'));
});

test('Markdown', t => {
	const text = formatMatrix(results, 'markdown');
	t.true(text.startsWith('| program | both/auto | client/auto |\n| --- | --- | --- |\n| redis | same 2/4 | unpromoted 2/4 |\n'));
	t.true(text.includes('```text\ncurl: skipped: curl is not installed\n```'));
});

test('JSON', t => {
	const value = JSON.parse(formatMatrix(results, 'json')) as Results & {counts: unknown};
	t.deepEqual(value, {...structuredClone(results), counts: countStatuses(results.cells)});
});

test('TAP', t => {
	const lines = formatMatrix(results, 'tap').split('\n');
	t.deepEqual(lines.slice(0, 3), ['TAP version 14', '1..5', 'ok 1 - redis both/auto']);
	t.deepEqual(lines.filter(line => /^(?:not )?ok/.test(line)).map(line => line.replace(/ - .*?(?= #|$)/, '')), ['ok 1', 'ok 2', 'not ok 3', 'ok 4 # SKIP curl is not installed', 'not ok 5']);
	t.true(lines.includes('  status: differs'));
});

test('JUnit is well-formed XML with the right numbers', t => {
	const text = formatMatrix(results, 'junit');
	t.regex(text, /<testsuites name="rscheck matrix" tests="5" failures="1" errors="1" skipped="1" time="65.432">/);
	t.is(text.match(/<testcase /g)?.length, 5);
	t.regex(text, /<failure message="talk: output: expected &quot;a\|b&quot; &amp; &lt;c&gt;, got \uFFFD # &lt;\/script&gt;">/);
	t.regex(text, /<skipped message="curl is not installed"\/>/);
	const open: string[] = [];
	for (const [, end = '', name = '', , isEmpty = ''] of text.replace(/^<\?xml.*?\?>/, '').matchAll(/<(\/?)([a-z-]+)((?: [a-z]+="[^"<>]*")*)(\/?)>/g)) {
		if (end === '/') {
			t.is(open.pop(), name);
		} else if (isEmpty === '') {
			open.push(name);
		}
	}

	t.deepEqual(open, []);
	t.false(text.replace(/^<\?xml.*?\?>/, '').replaceAll(/<\/?[a-z-]+(?: [a-z]+="[^"<>]*")*\/?>/g, '').includes('<'));
	t.is(escapeXml('\uD800\u000B\t'), '\uFFFD\uFFFD\t');
});

test('no result, every format', t => {
	for (const format of formats) {
		t.is(typeof formatMatrix({...results, cells: []}, format), 'string');
	}
});
