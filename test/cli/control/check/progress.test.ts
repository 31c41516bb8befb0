import test from 'ava';
import {Progress} from '../../../../cli/control/check/progress.js';
import {type Cell} from '../../../../cli/control/check/run-matrix.js';

const cell: Cell = {app: 'redis', mode: 'both', transport: 'auto', status: 'same', durationMs: 1234, ends: 0, promoted: 0, reasons: {}, differences: [], why: '', attempts: 1};

function record(isTerminal: boolean): string[] {
	const written: string[] = [];
	const progress = new Progress(2, isTerminal, text => {
		written.push(text);
	});
	progress.note(cell);
	progress.note({...cell, status: 'differs'});
	progress.end();
	return written;
}

test('lines', t => {
	t.deepEqual(record(false), ['[1/2] redis both/auto: same (1.2 s)\n', '[2/2] redis both/auto: differs (1.2 s)\n']);
});

test('a bar on a terminal, gone at the end', t => {
	t.deepEqual(record(true), [
		`\r\u001B[K[${'#'.repeat(15)}${'-'.repeat(15)}] 1/2 redis both/auto: same`, `\r\u001B[K[${'#'.repeat(30)}] 2/2 redis both/auto: differs`, '\r\u001B[K',
	]);
});
