import {mkdirSync, rmSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {configTool} from '../../../../cli/commands/config.js';
import {runConfig} from '../../helpers/run-config.js';
import {runToolHere} from '../../helpers/run-tool.js';
import {makeTemporaryDirectory} from '../../helpers/temporary-directory.js';

type Event = {
	readonly event: string; readonly exists?: boolean; readonly file?: string; readonly before?: string | null; readonly after?: string | null;
	readonly faults: ReadonlyArray<{readonly line?: number}>;
};

/** Watches `directory` until `steps` are through: each one makes a change, and the next follows once its event has come. */
async function watchSteps(directory: string, words: readonly string[], steps: ReadonlyArray<{readonly change: () => unknown; readonly until: (line: string) => boolean}>): Promise<{lines: string[]; code: number}> {
	const controller = new AbortController();
	const lines: string[] = [];
	let step = -1;
	const {code} = await runToolHere(configTool, ['--dir', directory, 'watch', ...words], {
		signal: controller.signal,
		onOutput(text) {
			for (const line of text.trim().split('\n')) {
				lines.push(line);
				if (step === -1 || steps[step]?.until(line)) {
					step++;
					const next = steps[step];
					if (next) {
						// Not inside of what prints.
						setImmediate(() => {
							void next.change();
						});
					} else {
						controller.abort();
					}
				}
			}
		},
	});
	return {lines, code};
}

test('one line for each file that changes, whatever becomes of the directory', async t => {
	const directory = path.join(makeTemporaryDirectory(t), 'above', 'rsocket');
	const file = (name: string) => path.join(directory, name);
	const {lines, code} = await watchSteps(directory, ['--json'], [
		{async change() {
			await runConfig(directory, ['set', 'polling_time', '5']);
		}, until: line => line.includes(String.raw`"after":"5\n"`)},
		{async change() {
			await runConfig(directory, ['apply', 'throughput']);
		}, until: line => line.includes('/ring_size"')},
		{change() {
			writeFileSync(file('rules'), 'use tcp * *\n');
		}, until: line => line.includes('/rules"')},
		{change() {
			writeFileSync(file('rules'), 'use tcp * * *\n');
		}, until: line => line.includes(String.raw`"after":"use tcp * * *\n"`) && line.includes('"faults":[]')},
		{change() {
			rmSync(directory, {recursive: true});
		}, until: line => line.includes('/ring_size"') && line.includes('"after":null')},
		{change() {
			mkdirSync(directory);
			writeFileSync(file('mem_default'), 'x\n');
		}, until: line => line.includes('/mem_default"')},
	]);
	t.is(code, 0);
	const events = lines.map(line => JSON.parse(line) as Event);
	t.like(events[0], {event: 'start', exists: false, faults: {length: 0}});
	t.true(events.slice(1).every(({event}) => event === 'change'));
	t.true(events.some(event => event.file === file('polling_time') && event.before === '5\n' && event.after === '50\n'));
	t.true(events.some(event => event.file === file('rules') && event.faults[0]?.line === 1));
	t.like(events.at(-1), {file: file('mem_default'), before: null, after: null, faults: {length: 1}});
});

test('for people', async t => {
	const directory = makeTemporaryDirectory(t);
	const file = path.join(directory, 'polling_time');
	const {lines} = await watchSteps(directory, [], [
		{change() {
			writeFileSync(file, '7\n');
		}, until: line => line.endsWith('7')},
		{change() {
			writeFileSync(file, 'x\n');
		}, until: line => line.includes('cannot be')},
		{change() {
			rmSync(file);
		}, until: line => line.includes('gone')},
	]);
	t.regex(lines[0] ?? '', /^\d\d:\d\d:\d\d \/.*: no faults$/);
	t.true(lines.some(line => line.endsWith('/polling_time: nothing -> 7')));
	t.true(lines.some(line => line.includes('/polling_time:1: polling_time cannot be "x".')));
	t.regex(lines.at(-1) ?? '', /polling_time: the fault is gone$/);
});

test('an interrupt before the start ends it too', async t => {
	const {code, stdout} = await runToolHere(configTool, ['--dir', makeTemporaryDirectory(t), 'watch'], {signal: AbortSignal.abort()});
	t.is(code, 0);
	t.regex(stdout, /no faults/);
});
