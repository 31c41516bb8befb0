/** The script of the page, with as much of a document as it touches; test/cli/commands/stat/serve has it in a browser. */
import vm from 'node:vm';
import test from 'ava';
import {page} from '../../../../cli/control/stat/page.js';
import {type Snapshot} from '../../../../cli/control/stat/take-snapshot.js';
import {liveConnection, liveProcess, makeTotals} from '../../helpers/live-connection.js';

class FakeElement {
	textContent = '';
	className = '';
	value = '';
	children: FakeElement[] = [];
	readonly attributes: Record<string, string> = {};
	readonly classes: string[] = [];
	readonly classList = {
		add: (name: string) => {
			this.classes.push(name);
		},
	};

	constructor(readonly name: string) {
		this.attributes = {};
	}

	append(...children: FakeElement[]): void {
		this.children.push(...children);
	}

	replaceChildren(...children: FakeElement[]): void {
		this.children = children;
	}

	setAttribute(name: string, value: string): void {
		this.attributes[name] = value;
	}

	/** Of it and all below it. */
	text(): string {
		return this.textContent + this.children.map(child => child.text()).join('|');
	}
}

type Look = () => Promise<void>;

/** `looks`: what each look gets; an Error: no answer. */
async function openPage(looks: Array<Snapshot | Error>) {
	const known = new Map(['#state', '#plots', '#filter', '#head', '#rows'].map(name => [name, new FakeElement(name)]));
	let again: Look | undefined;
	const make = (name: string): FakeElement => new FakeElement(name);
	vm.runInNewContext(/<script>(.*)<\/script>/s.exec(page)?.[1] ?? '', {
		document: {querySelector: (name: string) => known.get(name), createElement: make, createElementNS: (_space: string, name: string) => make(name)},
		async fetch() {
			const answer = looks.shift();
			if (answer instanceof Error || answer === undefined) {
				throw answer ?? new Error('none is left');
			}

			const {processes, connections} = answer;
			return {json: async () => ({...answer, summary: {processes: processes.length, connections: connections.length, promoted: connections.filter(({isPromoted}) => isPromoted).length}})};
		},
		setTimeout(look: Look) {
			again = look;
		},
	});
	const settle = async (): Promise<void> => new Promise(resolve => {
		setImmediate(resolve);
	});
	const get = (name: string): FakeElement => known.get(name)!;
	await settle();
	return {
		get,
		async look() {
			await again?.();
		},
		rows: () => get('#rows').children.map(row => row.children.map(cell => cell.textContent)),
		/** The captions of the plots, and the points of their lines. */
		captions: () => get('#plots').children.map(figure => figure.children[0]?.text() ?? ''),
		points: () => get('#plots').children.map(figure => figure.children[1]?.children.map(line => line.attributes['points'] ?? '') ?? []),
	};
}

const start = Date.parse('2026-01-01T00:00:00.000Z');

function snapshot(seconds: number, {processes = [], connections = []}: Partial<Snapshot>): Snapshot {
	return {time: new Date(start + (seconds * 1000)).toISOString(), unreadable: [], processes, connections};
}

test('it is one file that loads nothing but the figures', t => {
	t.notRegex(page, /(?:src|href)=|https?:\/\/(?!www\.w3\.org\/2000\/svg)|@import|url\(/);
	t.deepEqual([...page.matchAll(/fetch\('([^']*)'\)/g)].map(([, url]) => url), ['/snapshot.json']);
	t.notRegex(page, /innerHTML|insertAdjacentHTML|document\.write|eval\(/);
});

test('a row for each connection, by what the filter asks for', async t => {
	const connections = [
		liveConnection({pid: 7, program: '<b>server</b>', local: '127.0.0.1:80', transport: 'shm/tcp', reason: 'promoted', ageSeconds: 4.4, send: {transport: 'shm', bytes: 1536, shmBytes: 0, calls: 3}}),
		liveConnection({pid: 8, program: 'client', local: '10.0.0.1:5000', reason: 'setting'}),
	];
	const opened = await openPage(Array.from({length: 6}, (_, second) => snapshot(second, {connections})));
	t.deepEqual(opened.get('#head').children.map(({textContent}) => textContent), ['PID', 'Program', 'FD', 'Local', 'Peer', 'State', 'Transport', 'Reason', 'Age', 'Sent', 'Received', 'Msgs out', 'Msgs in', 'Wakes', 'Spins']);
	t.deepEqual(opened.rows()[0], ['7', '<b>server</b>', '3', '127.0.0.1:80', '-', '-', 'shm/tcp', 'promoted', '4 s', '1.5 KiB', '0 B', '3', '0', '0', '0']);
	t.deepEqual(opened.get('#rows').children.map(row => row.children[6]?.classes), [['shm'], ['tcp']]);
	t.regex(opened.get('#state').textContent, /^0 processes, 2 connection ends, 0 promoted; 2 shown\. /);
	for (const [filter, pids] of [['CLIENT', ['8']], ['  setting 10.0. ', ['8']], ['setting server', []], ['promoted', ['7']], ['', ['7', '8']]] as const) {
		opened.get('#filter').value = filter;
		await opened.look();
		t.deepEqual(opened.rows().map(row => row[0]), [...pids], `${filter}`);
	}
});

test('rates of what both snapshots have, each in its plot', async t => {
	const totals = (bytes: number) => makeTotals({sendBytes: bytes, shmSendBytes: bytes / 2, sendCalls: bytes / 100, recvCalls: bytes / 1000});
	const opened = await openPage([
		snapshot(0, {processes: [liveProcess({pid: 7, since: 'a', open: totals(1000)}), liveProcess({pid: 8, since: 'a', open: totals(5000)})], connections: [liveConnection({transport: 'shm'})]}),
		// One grew by 2000 bytes in two seconds; one has ended; one is new, and what it has counts for nothing yet.
		snapshot(2, {processes: [liveProcess({pid: 7, since: 'a', open: totals(1000), ended: totals(2000)}), liveProcess({pid: 9, since: 'a', open: totals(90_000)})], connections: [liveConnection({transport: 'shm/tcp'}), liveConnection({transport: 'tcp'})]}),
	]);
	t.deepEqual(opened.points().flat().filter(points => points !== ''), []);
	await opened.look();
	t.deepEqual(opened.captions(), [
		'Connection ends shm 1| verbs 0| tcp 1', 'Bytes a second shm 500 B/s| tcp 500 B/s', 'Messages a second sent 10/s| received 1/s',
	]);
	t.deepEqual(opened.points().map(lines => lines.length), [3, 2, 2]);
	t.true(opened.points().flat().every(points => /^\d+,[\d.]+$/.test(points)));
});

test('a pid that is used again is another process', async t => {
	const grown = makeTotals({sendBytes: 1_000_000, sendCalls: 1000});
	const opened = await openPage([snapshot(0, {processes: [liveProcess({pid: 7, since: 'a'})]}), snapshot(1, {processes: [liveProcess({pid: 7, since: 'b', open: grown})]})]);
	await opened.look();
	t.is(opened.captions()[1], 'Bytes a second shm 0 B/s| tcp 0 B/s');
});

test('no answer is told, and the next look goes on', async t => {
	const opened = await openPage([new Error('refused'), snapshot(0, {connections: [liveConnection()]})]);
	t.is(opened.get('#state').textContent, 'rsstat serve does not answer: refused');
	await opened.look();
	t.is(opened.rows().length, 1);
	t.regex(opened.get('#state').textContent, /^0 processes, 1 connection ends/);
});

test('a table that is too long for a browser is cut, and the count is told', async t => {
	const opened = await openPage([snapshot(0, {connections: Array.from({length: 501}, (_, fd) => liveConnection({fd}))})]);
	t.is(opened.rows().length, 500);
	t.regex(opened.get('#state').textContent, /; 501 shown\./);
});
