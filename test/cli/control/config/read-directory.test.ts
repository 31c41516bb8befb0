import {execFileSync} from 'node:child_process';
import {mkdirSync, symlinkSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {readDirectory} from '../../../../cli/control/config/read-directory.js';
import {loadNative} from '../../../../cli/native.js';
import {makeRoot} from '../../helpers/make-root.js';

const native = loadNative();

test('good files', t => {
	const directory = makeRoot(t, {
		polling_time: '50\n', ring_size: '0x40', transport: 'shm\n', rules: '# none\n', preload_config: '* * * *\n', applied_profile: 'latency\n', '.hidden': 'x',
	});
	t.deepEqual(readDirectory(directory, native), {
		path: directory, exists: true, values: new Map([['polling_time', '50'], ['ring_size', '64'], ['transport', 'shm']]),
		rules: '# none\n', preload: '* * * *\n', profile: 'latency', faults: [],
	});
});

test('no directory is no fault', t => {
	const directory = '/nowhere/rsocket';
	t.like(readDirectory(directory, native), {exists: false, faults: [], rules: undefined, profile: undefined});
});

test('a file in place of the directory is an error', t => {
	const directory = makeRoot(t, {polling_time: '1'});
	const error = t.throws(() => readDirectory(`${directory}/polling_time`, native), {instanceOf: CliError});
	t.is(error?.code, 'config-dir');
	t.regex(error?.remedy ?? '', /--dir/);
});

test('a malformed value names file, line, range, and the command that writes it', t => {
	for (const text of ['soon\n', '-1\n', '1000001\n', '50us\n', '1\n2\n', '', '\n', '1'.repeat(70), '1\0']) {
		const directory = makeRoot(t, {polling_time: text});
		const {values, faults} = readDirectory(directory, native);
		t.is(values.size, 0);
		t.like(faults, [{file: `${directory}/polling_time`, line: 1}], `${JSON.stringify(text)}`);
		t.regex(faults[0]?.remedy ?? '', /from 0 to 10{6} \(us\), one value without a unit; rsconfig set polling_time writes it/);
		t.true((faults[0]?.message.length ?? 0) < 100);
	}
});

test('an unknown file is named with the nearest key', t => {
	const directory = makeRoot(t, {poling_time: '1', zzzzzz: '1', rule: 'x'});
	t.deepEqual(readDirectory(directory, native).faults.map(({message, remedy}) => [message, remedy]), [
		['no setting is called "poling_time"', 'Did you mean polling_time?'],
		['no setting is called "rule"', 'Did you mean rules?'],
		['no setting is called "zzzzzz"', 'Nothing reads this file: remove it.'],
	]);
});

test('rules and preload_config have their lines', t => {
	const directory = makeRoot(t, {rules: 'use both * * *:*\nuse tpc * * *:*\nprofile * latency\n', preload_config: '* * *\n'});
	t.deepEqual(readDirectory(directory, native).faults.map(({file, line}) => [path.basename(file), line]), [['rules', 2], ['rules', 3], ['preload_config', 1]]);
});

test('neither FIFO nor directory nor endless file stops it', t => {
	const directory = makeRoot(t, {rules: '#\n'.repeat(40_000)});
	execFileSync('mkfifo', [`${directory}/polling_time`]);
	mkdirSync(`${directory}/ring_size`);
	t.deepEqual(readDirectory(directory, native).faults.map(({message}) => message), ['not a regular file', 'not a regular file', 'more than 65536 bytes']);
});

test('a file that cannot be read', t => {
	const directory = makeRoot(t, {});
	symlinkSync('polling_time', `${directory}/polling_time`);
	t.like(readDirectory(directory, native).faults, [{message: 'cannot be read (ELOOP)', remedy: 'Make it readable: chmod 0644.'}]);
});
