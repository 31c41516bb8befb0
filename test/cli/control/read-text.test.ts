import {spawn, spawnSync} from 'node:child_process';
import {closeSync, constants, openSync, writeSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import {text as textOf} from 'node:stream/consumers';
import {URL} from 'node:url';
import test from 'ava';
import {CliError} from '../../../cli/control/cli-error.js';
import {readText} from '../../../cli/control/read-text.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../helpers/temporary-directory.js';

const sizeMax = 1024 ** 2;
const readTextUrl = new URL('../../../cli/control/read-text.js', import.meta.url).href;

test('text, or one character a byte', t => {
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'file', Uint8Array.of(0xC3, 0xA9, 0xFF));
	t.is(readText(file), 'é\uFFFD');
	t.is(readText(file, 'latin1'), '\u00C3\u00A9\u00FF');
	t.is(readText(writeTemporaryFile(makeTemporaryDirectory(t), 'empty', '')), '');
	// The kernel says that such a file has no bytes.
	t.regex(readText('/proc/self/status'), /^Name:/);
});

test('characters are whole where the pieces in which it is read meet', t => {
	const text = `x${'€'.repeat(50_000)}`;
	t.is(readText(writeTemporaryFile(makeTemporaryDirectory(t), 'file', text)), text);
});

test('the longest that there may be, and one byte more', t => {
	const directory = makeTemporaryDirectory(t);
	t.is(readText(writeTemporaryFile(directory, 'long', 'x'.repeat(sizeMax))).length, sizeMax);
	const file = writeTemporaryFile(directory, 'longer', 'x'.repeat(sizeMax + 1));
	for (const name of [file, '/dev/zero']) {
		const error = t.throws(() => readText(name), {instanceOf: CliError});
		t.is(error.message, `${name} has more than 1048576 bytes`);
		t.is(error.code, 'too-long');
		t.regex(error.remedy, /check the path/);
	}
});

test('what cannot be read is told with the remedy that fits', t => {
	const directory = makeTemporaryDirectory(t);
	const missing = path.join(directory, 'none');
	const error = t.throws(() => readText(missing), {instanceOf: CliError});
	t.true(error.message.startsWith(`${missing} cannot be read: ENOENT`));
	t.like(error, {code: 'not-found', remedy: 'Check the path, and that you may read it.'});
	t.like(t.throws(() => readText(directory, 'utf8', 'Name another one.'), {instanceOf: CliError}), {code: 'read-failed', remedy: 'Name another one.'});
	t.like(t.throws(() => readText(path.join(writeTemporaryFile(directory, 'file', ''), 'x')), {instanceOf: CliError}), {code: 'read-failed'});
	t.like(t.throws(() => readText(''), {instanceOf: CliError}), {code: 'not-found'});
});

test('a dash is standard input, which another program may have made non-blocking', async t => {
	const fifo = path.join(makeTemporaryDirectory(t), 'fifo');
	t.is(spawnSync('mkfifo', [fifo]).status, 0);
	const script = String.raw`import {closeSync, constants, openSync, writeSync} from 'node:fs';
		import {readText} from ${JSON.stringify(readTextUrl)};
		closeSync(0);
		writeSync(1, 'as ' + openSync(process.argv[1], constants.O_RDONLY | constants.O_NONBLOCK) + '\n');
		writeSync(1, readText('-'));`;
	const writer = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
	const reader = spawn(process.execPath, ['--input-type=module', '-e', script, fifo], {stdio: ['ignore', 'pipe', 'inherit'], env: {...process.env, NODE_V8_COVERAGE: undefined}});
	reader.stdout.once('data', () => {
		// It waits, or is about to.
		writeSync(writer, 'first\nsecond\n');
		closeSync(writer);
	});
	t.is(await textOf(reader.stdout), 'as 0\nfirst\nsecond\n');
});
