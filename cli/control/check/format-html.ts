/** The results of a matrix as one HTML file that needs nothing else. */
import {type Results} from './format-matrix.js';

const style = `
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif }
body { margin: 2em auto; max-width: 80em; padding: 0 1em }
form { display: flex; flex-wrap: wrap; gap: 1em; margin: 1em 0 }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #8884; padding: .35em .6em; text-align: left; vertical-align: top }
th button { all: unset; cursor: pointer; font-weight: 600 }
td.status { font-weight: 600 }
.same { color: #18794e } .unpromoted { color: #ad5700 } .differs, .broken { color: #cd2b31 } .skipped { opacity: .6 }
pre { margin: 0; max-height: 20em; overflow: auto; white-space: pre-wrap }
`;

/** Runs in the page. */
const script = String.raw`
const {cells} = JSON.parse(document.querySelector('#data').textContent);
const form = document.querySelector('form');
const body = document.querySelector('tbody');
let order = 'app', direction = 1;
for (const name of ['mode', 'transport', 'status']) {
	for (const value of new Set(cells.map(cell => cell[name]))) form.elements[name].add(new Option(value, value));
}
function add(row, text, className) {
	const cell = row.insertCell();
	cell.textContent = text;
	if (className) cell.className = className;
	return cell;
}
function show() {
	const wanted = Object.fromEntries(new FormData(form));
	const shown = cells.filter(cell => cell.app.includes(wanted.app.trim()) && ['mode', 'transport', 'status'].every(name => wanted[name] === '' || cell[name] === wanted[name]));
	shown.sort((a, b) => direction * (typeof a[order] === 'number' ? a[order] - b[order] : String(a[order]).localeCompare(b[order])));
	body.replaceChildren();
	for (const cell of shown) {
		const row = body.insertRow();
		add(row, cell.app); add(row, cell.mode); add(row, cell.transport);
		add(row, cell.status + (cell.attempts > 1 ? ' (attempt ' + cell.attempts + ')' : ''), 'status ' + cell.status);
		add(row, cell.promoted + '/' + cell.ends);
		add(row, (cell.durationMs / 1000).toFixed(1) + ' s');
		const why = add(row, '');
		if (cell.why) {
			const details = document.createElement('details'), summary = document.createElement('summary'), pre = document.createElement('pre');
			summary.textContent = cell.why.split('\n', 1)[0].slice(0, 120);
			pre.textContent = cell.why;
			details.append(summary, pre);
			why.append(details);
		} else why.textContent = Object.entries(cell.reasons).map(([code, count]) => count + ' ' + code).join(', ');
	}
	document.querySelector('output').textContent = shown.length + ' of ' + cells.length + ' runs';
}
form.addEventListener('input', show);
form.addEventListener('submit', event => event.preventDefault());
for (const button of document.querySelectorAll('th button')) button.addEventListener('click', () => {
	direction = order === button.value ? -direction : 1;
	order = button.value;
	show();
});
show();
`;

export function formatHtml(results: Results): string {
	const heads = [['app', 'program'], ['mode', 'mode'], ['transport', 'transport'], ['status', 'result'], ['promoted', 'promoted ends'], ['durationMs', 'time'], ['why', 'remarks']];
	return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>rscheck matrix</title>
<style>${style}</style>
<h1>rscheck matrix</h1>
<p>${escapeHtml(results.machine)}, ${escapeHtml(results.startedAt)}, ${(results.durationMs / 1000).toFixed(1)} s. Each run is compared with the same program on plain TCP.</p>
<form>
<label>program <input name="app" type="search"></label>
${['mode', 'transport', 'status'].map(name => `<label>${name} <select name="${name}"><option value="">all</option></select></label>`).join('\n')}
<output></output>
</form>
<table>
<thead><tr>${heads.map(([value, text]) => `<th><button type="button" value="${value}">${text}</button></th>`).join('')}</tr></thead>
<tbody></tbody>
</table>
<script id="data" type="application/json">${escapeScript(JSON.stringify(results))}</script>
<script>${script}</script>
</html>`;
}

function escapeHtml(text: string): string {
	return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

/** Nothing in the data may end the script element. */
function escapeScript(json: string): string {
	return json.replaceAll('<', String.raw`\u003c`).replaceAll('\u2028', String.raw`\u2028`).replaceAll('\u2029', String.raw`\u2029`);
}
