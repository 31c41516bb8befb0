/** The script of the page, with as much of a document as it touches. */
import vm from 'node:vm';
import test from 'ava';
import {formatHtml} from '../../../../cli/control/check/format-html.js';
import {type Results} from '../../../../cli/control/check/format-matrix.js';
import {type Cell} from '../../../../cli/control/check/run-matrix.js';

const cell: Cell = {app: 'redis', mode: 'both', transport: 'auto', status: 'same', durationMs: 1234, ends: 4, promoted: 2, reasons: {new: 2}, differences: [], why: '', attempts: 1};
const nasty = 'talk: output: expected "a|b" & <c>, got \u0000 # </script>\nsecond line';
const results: Results = {
	startedAt: '2026-01-02T03:04:05.000Z', durationMs: 65_432, machine: 'host, Linux 6.1', cells: [
		cell, {...cell, mode: 'client', status: 'unpromoted', why: '0 of 2 ends were promoted'},
		{...cell, app: 'nginx', status: 'differs', why: nasty, attempts: 2}, {...cell, app: 'curl', status: 'skipped', why: 'curl is not installed'}, {...cell, app: 'exim', status: 'broken', why: 'exim4 ended'},
	],
};

type FakeElement = {
	[name: string]: unknown;
	textContent: string;
	children: FakeElement[];
	listeners: Map<string, () => void>;
};

function openPage(html: string) {
	const make = (): FakeElement => {
		const element: FakeElement = {
			textContent: '', children: [], listeners: new Map(),
			add(child: FakeElement) {
				element.children.push(child);
			},
			append(...children: FakeElement[]) {
				element.children.push(...children);
			},
			replaceChildren() {
				element.children = [];
			},
			insertRow() {
				element.children.push(make());
				return element.children.at(-1);
			},
			insertCell() {
				element.children.push(make());
				return element.children.at(-1);
			},
			addEventListener(name: string, listener: () => void) {
				element.listeners.set(name, listener);
			},
		};
		return element;
	};

	const data = /<script id="data" type="application\/json">(.*?)<\/script>/s.exec(html)?.[1] ?? '';
	const script = /<script>(.*?)<\/script>/s.exec(html)?.[1] ?? '';
	const wanted: Record<string, string> = {app: '', mode: '', transport: '', status: ''};
	const elements = Object.fromEntries(Object.keys(wanted).map(name => [name, make()]));
	const form = Object.assign(make(), {elements});
	const [body, output] = [make(), make()];
	const buttons = [...html.matchAll(/<button type="button" value="(\w+)">/g)].map(([, value = '']) => Object.assign(make(), {value}));
	const known: Record<string, FakeElement> = {'#data': {...make(), textContent: data}, form, tbody: body, output};
	vm.runInNewContext(script, {
		document: {querySelector: (name: string) => known[name], querySelectorAll: () => buttons, createElement: make},
		Option: class {
			constructor(readonly text: string, readonly value: string) {
				Object.freeze(this);
			}
		},
		FormData: class {
			* [Symbol.iterator]() {
				yield * Object.entries(wanted);
			}
		},
	});
	return {
		output, elements,
		apps: () => body.children.map(row => row.children[0]?.textContent),
		rows: () => body.children,
		filter(change: Record<string, string>) {
			Object.assign(wanted, change);
			form.listeners.get('input')?.();
		},
		sort(value: string) {
			buttons.find(button => button.value === value)?.listeners.get('click')?.();
		},
	};
}

test('the HTML page filters and sorts its grid, and needs nothing else', t => {
	const html = formatHtml(results);
	t.notRegex(html, /(?:src|href)=|https?:/);
	t.is(html.match(/<\/script>/g)?.length, 2);
	const page = openPage(html);
	t.deepEqual(page.apps(), ['curl', 'exim', 'nginx', 'redis', 'redis']);
	t.is(page.output.textContent, '5 of 5 runs');
	page.filter({app: 'ng'});
	t.deepEqual(page.apps(), ['nginx']);
	page.filter({app: '', status: 'broken'});
	t.deepEqual(page.apps(), ['exim']);
	page.filter({status: '', mode: 'client'});
	t.is(page.output.textContent, '1 of 5 runs');
	page.filter({mode: ''});
	page.sort('app');
	t.deepEqual(page.apps(), ['redis', 'redis', 'nginx', 'exim', 'curl']);
	page.sort('durationMs');
	t.is(page.apps().length, 5);
	t.deepEqual(page.elements['status']?.children.map(option => option['value']), ['same', 'unpromoted', 'differs', 'skipped', 'broken']);
});

test('remarks and programs are text, whatever is in them', t => {
	const html = formatHtml({...results, machine: '<b>&host', cells: [{...cell, app: '<img onerror=x>', status: 'differs', why: `${'x'.repeat(130)}\n</script><script>bad()</script>`}]});
	t.true(html.includes('<p>&lt;b>&amp;host, 2026-'));
	t.is(html.match(/<script/g)?.length, 2);
	t.false(html.includes('<img'));
	const page = openPage(html);
	t.deepEqual(page.apps(), ['<img onerror=x>']);
	const [details] = page.rows()[0]?.children[6]?.children ?? [];
	t.is(details?.children[0]?.textContent, 'x'.repeat(120));
	t.is(details?.children[1]?.textContent, `${'x'.repeat(130)}\n</script><script>bad()</script>`);
});

test('a row says what carried how many ends, how long, and why', t => {
	const page = openPage(formatHtml({...results, cells: [{...cell, attempts: 3, reasons: {new: 2, searching: 1}}]}));
	t.deepEqual(page.rows()[0]?.children.map(({textContent}) => textContent), ['redis', 'both', 'auto', 'same (attempt 3)', '2/4', '1.2 s', '2 new, 1 searching']);
	t.is(page.rows()[0]?.children[3]?.['className'], 'status same');
});

test('times are sorted as numbers, both ways', t => {
	const page = openPage(formatHtml({...results, cells: [9, 100, 20].map(durationMs => ({...cell, app: String(durationMs), durationMs}))}));
	page.sort('durationMs');
	t.deepEqual(page.apps(), ['9', '20', '100']);
	page.sort('durationMs');
	t.deepEqual(page.apps(), ['100', '20', '9']);
});

test('separators that end a line of JavaScript do not end one of the data', t => {
	const app = 'a\u2028b\u2029c';
	const html = formatHtml({...results, cells: [{...cell, app}]});
	t.notRegex(html, /[\u2028\u2029]/);
	t.deepEqual(openPage(html).apps(), [app]);
});
