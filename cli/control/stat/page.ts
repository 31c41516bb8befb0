/** The live page of `rsstat serve`: one file that loads nothing but the figures. */

export const page = String.raw`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>rsstat</title>
<style>
:root { color-scheme: light dark; font: 14px/1.4 system-ui, sans-serif; }
body { margin: 1.5rem; }
h1 { font-size: 1.2rem; margin: 0; }
#state { color: GrayText; }
#plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1rem; margin: 1rem 0; }
figure { margin: 0; border: 1px solid #8884; border-radius: 6px; padding: .6rem; }
figcaption { display: flex; justify-content: space-between; font-weight: 600; }
svg { width: 100%; height: 7rem; display: block; }
polyline { fill: none; stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.shm { color: #2a9d4a; } .tcp { color: #c77b1a; } .verbs { color: #3b6fd4; } .sent { color: #2a9d4a; } .received { color: #3b6fd4; }
polyline { stroke: currentColor; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .15rem .6rem; border-bottom: 1px solid #8883; white-space: nowrap; }
.number { text-align: right; }
#scroll { overflow-x: auto; }
</style>
<h1>Connections under the toolkit</h1>
<p id="state">...</p>
<div id="plots"></div>
<p><label>Filter <input id="filter" type="search" placeholder="program, address, transport, reason"></label></p>
<div id="scroll"><table><thead><tr id="head"></tr></thead><tbody id="rows"></tbody></table></div>
<script>
'use strict';
const historyMax = 120;
const history = [];
let before;

const plots = [
	{name: 'Connection ends', series: ['shm', 'verbs', 'tcp'], format: String},
	{name: 'Bytes a second', series: ['shm', 'tcp'], format: value => formatBytes(value) + '/s'},
	{name: 'Messages a second', series: ['sent', 'received'], format: value => Math.round(value) + '/s'},
];
const columns = [
	['PID', row => row.pid, true], ['Program', row => row.program], ['FD', row => row.fd, true], ['Local', row => row.local], ['Peer', row => row.peer], ['State', row => row.state],
	['Transport', row => row.transport], ['Reason', row => row.reason], ['Age', row => Math.round(row.ageSeconds) + ' s', true],
	['Sent', row => formatBytes(row.send.bytes), true], ['Received', row => formatBytes(row.recv.bytes), true],
	['Msgs out', row => row.send.calls, true], ['Msgs in', row => row.recv.calls, true], ['Wakes', row => row.sleeps, true], ['Spins', row => row.spins, true],
];

function formatBytes(bytes) {
	const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
	let unit = 0;
	for (; bytes >= 1024 && unit < units.length - 1; unit++) bytes /= 1024;
	return (unit === 0 ? Math.round(bytes) : bytes.toFixed(1)) + ' ' + units[unit];
}

function element(name, text, className) {
	const node = document.createElement(name);
	if (text !== undefined) node.textContent = text;
	if (className) node.className = className;
	return node;
}

function makePlots() {
	for (const plot of plots) {
		const figure = element('figure');
		const caption = element('figcaption', plot.name);
		plot.value = element('span');
		caption.append(plot.value);
		const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
		svg.setAttribute('viewBox', '0 0 ' + (historyMax - 1) + ' 100');
		svg.setAttribute('preserveAspectRatio', 'none');
		plot.lines = plot.series.map(name => {
			const line = document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
			line.setAttribute('class', name);
			svg.append(line);
			return line;
		});
		figure.append(caption, svg);
		document.querySelector('#plots').append(figure);
	}
}

/* Sums of each process; one that has ended takes its sums along, and counts for nothing from then on. */
function sums(processes) {
	return new Map(processes.map(({pid, since, open, ended}) => {
		const of = name => open[name] + ended[name];
		const shm = of('shmSendBytes') + of('shmRecvBytes');
		return [pid + ' ' + since, {shm, tcp: of('sendBytes') + of('recvBytes') - shm, sent: of('sendCalls'), received: of('recvCalls')}];
	}));
}

function rates(now, seconds) {
	const total = {shm: 0, tcp: 0, sent: 0, received: 0};
	for (const [key, value] of now) {
		const old = before?.sums.get(key);
		for (const name of Object.keys(total)) total[name] += old ? Math.max(0, value[name] - old[name]) / seconds : 0;
	}
	return total;
}

function take(snapshot) {
	const now = sums(snapshot.processes);
	const time = Date.parse(snapshot.time);
	const counts = {shm: 0, verbs: 0, tcp: 0};
	for (const {transport} of snapshot.connections) counts[transport.split('/')[0]]++;
	if (before && time > before.time) {
		const rate = rates(now, (time - before.time) / 1000);
		history.push([counts, rate, rate]);
		if (history.length > historyMax) history.shift();
	}
	before = {sums: now, time};
}

function draw() {
	for (const [index, plot] of plots.entries()) {
		const points = history.map(sample => sample[index]);
		const top = Math.max(1, ...points.flatMap(point => plot.series.map(name => point[name])));
		plot.value.replaceChildren();
		for (const [at, name] of plot.series.entries()) {
			plot.lines[at].setAttribute('points', points.map((point, x) => (x + historyMax - points.length) + ',' + (98 - point[name] / top * 96)).join(' '));
			const last = points.at(-1)?.[name] ?? 0;
			plot.value.append(element('span', ' ' + name + ' ' + plot.format(last), name));
		}
	}
}

function list({connections}) {
	const wanted = document.querySelector('#filter').value.trim().toLowerCase().split(/\s+/);
	const rows = connections.filter(row => wanted.every(word => [row.pid, row.program, row.local, row.peer, row.state, row.transport, row.reason].join(' ').toLowerCase().includes(word)));
	document.querySelector('#rows').replaceChildren(...rows.slice(0, 500).map(row => {
		const line = element('tr');
		line.append(...columns.map(([, value, isNumber]) => element('td', String(value(row)), isNumber ? 'number' : '')));
		line.children[6].classList.add(row.transport.split("/")[0]);
		return line;
	}));
	return rows.length;
}

async function look() {
	const state = document.querySelector('#state');
	try {
		const snapshot = await (await fetch('/snapshot.json')).json();
		take(snapshot);
		draw();
		const shown = list(snapshot);
		const {processes, connections, promoted} = snapshot.summary;
		state.textContent = processes + ' processes, ' + connections + ' connection ends, ' + promoted + ' promoted; ' + shown + ' shown. ' + new Date(snapshot.time).toLocaleTimeString();
	} catch (error) {
		state.textContent = 'rsstat serve does not answer: ' + error.message;
	}
	setTimeout(look, 1000);
}

document.querySelector('#head').append(...columns.map(([name, , isNumber]) => element('th', name, isNumber ? 'number' : '')));
makePlots();
look();
</script>
</html>
`;
