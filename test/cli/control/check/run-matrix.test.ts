import {existsSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import {setTimeout as sleep} from 'node:timers/promises';
import test from 'ava';
import {withLibrary} from '../../../../cli/control/check/borrow-library.js';
import {modes} from '../../../../cli/control/check/modes.js';
import {freePort} from '../../../../cli/control/check/ports.js';
import {runMatrix, type Cell, type Plan} from '../../../../cli/control/check/run-matrix.js';
import {loadNative} from '../../../../cli/native.js';
import {makeTemporaryDirectory} from '../../helpers/temporary-directory.js';
import {talk, tinyApp} from '../../helpers/tiny-app.js';

const native = loadNative();

type Options = Partial<Plan> & {readonly signal?: AbortSignal; readonly stepTimeoutMs?: number; readonly onCell?: (cell: Cell) => void};

async function run({signal = new AbortController().signal, stepTimeoutMs = 30_000, onCell = () => undefined, ...plan}: Options): Promise<Cell[]> {
	const whole: Plan = {manifests: [tinyApp()], modes, transports: ['auto'], settings: [], jobs: 2, retries: 0, path: process.env['PATH'] ?? '', ...plan};
	return withLibrary(async library => runMatrix(whole, {library, native, npmDirectory: '/nowhere', readyTimeoutMs: 30_000, stepTimeoutMs, signal}, onCell));
}

function statuses(cells: readonly Cell[]): string[] {
	return cells.map(({app, mode, transport, status}) => `${app} ${mode}/${transport}: ${status}`);
}

test('an application that is the same everywhere', async t => {
	const seen: Cell[] = [];
	const cells = await run({
		transports: ['auto', 'tcp'],
		onCell(cell) {
			seen.push(cell);
		},
	});
	t.deepEqual(statuses(cells), modes.flatMap(mode => ['auto', 'tcp'].map(transport => `tiny ${mode}/${transport}: same`)));
	t.deepEqual(cells.map(({promoted, ends}) => `${promoted}/${ends}`), ['2/2', '0/2', '0/1', '0/1', '0/1', '0/1']);
	t.deepEqual(seen.map(cell => statuses([cell])[0] ?? '').toSorted(), statuses(cells).toSorted());
	t.deepEqual(cells[1]?.reasons, {setting: 2});
});

test('one that notices', async t => {
	const cells = await run({manifests: [tinyApp({client: 'console.log("same"); console.log(process.env.LD_PRELOAD ? "fast" : "plain"); process.exitCode = process.env.LD_PRELOAD ? 3 : 0'})]});
	t.deepEqual(statuses(cells), ['tiny both/auto: differs', 'tiny server/auto: same', 'tiny client/auto: differs']);
	t.deepEqual(cells[0]?.differences, [
		{step: 'talk', what: 'status', expected: '0', got: '3'},
		{step: 'talk', what: 'output', expected: 'line 2: plain', got: 'line 2: fast'},
	]);
	t.regex(cells[0]?.why ?? '', /expected line 2: plain, got line 2: fast/);
});

test('what may differ is taken out', async t => {
	const manifest = tinyApp({client: 'console.log("same", process.env.LD_PRELOAD ? 17 : 4)'});
	const cells = await run({manifests: [{...manifest, exercise: manifest.exercise.map(step => ({...step, ignore: [String.raw`\d+`]}))}], modes: ['client']});
	t.deepEqual(statuses(cells), ['tiny client/auto: same']);
});

test('one of which too little is promoted', async t => {
	const [cell] = await run({manifests: [tinyApp({client: talk(1)})], modes: ['both']});
	t.is(cell?.status, 'unpromoted');
	t.regex(cell?.why ?? '', /0 of 2 ends were promoted, not 2/);
});

test('one that is not installed is not run', async t => {
	const marker = path.join(makeTemporaryDirectory(t), 'marker');
	const manifest = tinyApp({packages: {debian: ['no-such-package']}, needs: ['no-such-program'], client: `require("node:fs").writeFileSync(${JSON.stringify(marker)}, "")`});
	const cells = await run({manifests: [manifest], modes: ['both']});
	t.like(cells[0], {status: 'skipped', why: 'no-such-program is not installed (apt-get install no-such-package)', durationMs: 0});
	t.false(existsSync(marker));
});

for (const [what, manifest, why] of [
	['that does not do what it says', tinyApp({verify: {talk: '^never'}}), /does not match \^never: done/],
	['that ends otherwise', tinyApp({client: 'process.exit(4)'}), /talk ended with 4, not 0/],
	['whose server ends', tinyApp({start: [{run: ['false'], ready: {port: 'port'}}]}), /false ended/],
	['whose preparation fails', tinyApp({prepare: [{run: ['sh', '-c', 'echo why >&2; exit 9']}]}), /ended with 9: why/],
	['whose program cannot be started', tinyApp({exercise: [{name: 'talk', run: ['{dir}/nothing']}]}), /talk ended with .*ENOENT/],
] as const) {
	test(`one ${what} on plain TCP is broken`, async t => {
		const cells = await run({manifests: [manifest], modes: ['both', 'client']});
		t.deepEqual(statuses(cells), ['tiny both/auto: broken', 'tiny client/auto: broken']);
		t.regex(cells[0]?.why ?? '', why);
	});
}

test('one that hangs is ended', async t => {
	const [cell] = await run({manifests: [tinyApp({client: 'setInterval(() => {}, 1000)'})], modes: ['both'], stepTimeoutMs: 300});
	t.regex(cell?.why ?? '', /talk ended with hangs/);
});

test('one that hangs under the toolkit only differs', async t => {
	const exercise = [{name: 'talk', run: ['sh', '-c', 'test -z "$LD_PRELOAD" || exec sleep 60; echo done']}];
	const [cell] = await run({manifests: [tinyApp({exercise})], modes: ['client'], stepTimeoutMs: 3000});
	t.like(cell, {status: 'differs', differences: [{step: 'talk', what: 'status', expected: '0', got: 'hangs'}, {step: 'talk', what: 'output'}]});
});

test('one whose server does not get ready under the toolkit differs', async t => {
	const manifest = tinyApp();
	const [cell] = await run({manifests: [{...manifest, start: [{run: ['sh', '-c', 'test -z "$LD_PRELOAD" || exit 5; exec "$0" "$@"', ...manifest.start[0]?.run ?? []], ready: {port: 'port'}}]}], modes: ['server']});
	t.is(cell?.status, 'differs');
	t.regex(cell?.why ?? '', /^start: error: expected ready, got sh/);
});

test('a second attempt counts, and is said', async t => {
	const marker = path.join(makeTemporaryDirectory(t), 'marker');
	const client = `const fs = require("node:fs"), first = process.env.LD_PRELOAD && !fs.existsSync(${JSON.stringify(marker)});
if (first) fs.writeFileSync(${JSON.stringify(marker)}, "");
console.log(first ? "wrong" : "right");`;
	const [cell] = await run({manifests: [tinyApp({client})], modes: ['client'], retries: 2});
	t.like(cell, {status: 'same', attempts: 2});
});

test('runs that share a port wait for each other', async t => {
	const port = await freePort();
	const manifests = ['one', 'two'].map(name => tinyApp({name, ports: {port}}));
	const cells = await run({manifests, modes: ['server', 'client'], jobs: 4});
	t.deepEqual(cells.map(({status}) => status), ['same', 'same', 'same', 'same']);
});

test('an interrupted matrix says what it has', async t => {
	const controller = new AbortController();
	const cells = await run({
		manifests: [tinyApp(), tinyApp({name: 'later'})], jobs: 1, signal: controller.signal,
		onCell() {
			controller.abort();
		},
	});
	t.is(cells.length, 1);
});

test('promotion where transport=tcp forbids it would be a difference', async t => {
	// A program that ignores its settings.
	const manifest = tinyApp();
	const undo = (run: readonly string[]): string[] => ['sh', '-c', 'unset RSOCKET_SET; exec "$0" "$@"', ...run];
	const [cell] = await run({
		manifests: [{...manifest, start: manifest.start.map(server => ({...server, run: undo(server.run)})), exercise: manifest.exercise.map(step => ({...step, run: undo(step.run)}))}], modes: ['both'], transports: ['tcp'],
	});
	t.like(cell, {status: 'differs', promoted: 2});
	t.regex(cell?.why ?? '', /which transport=tcp forbids/);
});

test('runs that an interruption ends are no results', async t => {
	const controller = new AbortController();
	const file = path.join(makeTemporaryDirectory(t), 'started');
	const exercise = [{name: 'talk', run: ['sh', '-c', `touch ${file}; exec sleep 60`]}];
	const running = run({manifests: [tinyApp({exercise})], signal: controller.signal});
	while (!existsSync(file)) {
		await sleep(20);
	}

	controller.abort();
	t.deepEqual(await running, []);
});

test('an application without servers has no mode in which only they are under the toolkit', async t => {
	const exercise = [{name: 'talk', run: ['sh', '-c', 'echo done']}];
	const cells = await run({manifests: [tinyApp({start: [], exercise, promotes: 'it only talks'})]});
	t.deepEqual(statuses(cells), ['tiny both/auto: same', 'tiny client/auto: same']);
});

test('a server that ends when told to on plain TCP only differs', async t => {
	const [{run: server} = {run: []}] = tinyApp().start;
	const start = [{run: ['sh', '-c', 'test -z "$LD_PRELOAD" || trap "" TERM; "$0" "$@" & while :; do sleep 1; done', ...server], ready: {port: 'port'}}];
	const [cell] = await run({manifests: [tinyApp({start})], modes: ['server']});
	t.like(cell, {status: 'differs', differences: [{step: 'stop', what: 'sh', expected: 'ends when told to', got: 'had to be killed'}]});
});
