import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {closeSync, constants, openSync, readFileSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {CliError} from '../../../cli/control/cli-error.js';
import {writeFully} from '../../../cli/control/write-fully.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../helpers/temporary-directory.js';

test('all of it, in UTF-8', t => {
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'file', '');
	const fd = openSync(file, 'w');
	t.true(writeFully(fd, 'é€\n'));
	t.true(writeFully(fd, ''));
	closeSync(fd);
	t.is(readFileSync(file, 'utf8'), 'é€\n');
});

test('a slow reader of a pipe that never blocks its writer gets everything', async t => {
	const directory = makeTemporaryDirectory(t);
	const fifo = path.join(directory, 'fifo');
	t.is(spawnSync('mkfifo', [fifo]).status, 0);
	const text = `${'0123456789abcdef'.repeat(64)}\n`.repeat(1024);
	const output = writeTemporaryFile(directory, 'output', '');
	const target = openSync(output, 'w');
	// Opened for both, it needs nobody at the other end yet.
	const fd = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
	const reader = spawn('cat', [fifo], {stdio: ['ignore', target, 'inherit']});
	const ended = once(reader, 'exit');
	t.true(writeFully(fd, text));
	// The end of the text is the end of the file once nobody writes any more; by then the reader has it open.
	t.true(writeFully(fd, 'end\n'));
	closeSync(fd);
	closeSync(target);
	t.deepEqual(await ended, [0, null]);
	t.is(readFileSync(output, 'utf8'), `${text}end\n`);
});

test('nobody reads any more', t => {
	const fifo = path.join(makeTemporaryDirectory(t), 'fifo');
	t.is(spawnSync('mkfifo', [fifo]).status, 0);
	const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
	const fd = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
	closeSync(reader);
	t.false(writeFully(fd, 'text'));
	closeSync(fd);
});

test('no room is an error that says where', t => {
	const fd = openSync('/dev/full', 'w');
	const error = t.throws(() => writeFully(fd, 'text'), {instanceOf: CliError});
	closeSync(fd);
	t.regex(error.message, new RegExp(`^descriptor ${fd} cannot be written: ENOSPC`));
	t.is(error.code, 'output');
	t.is(error.remedy, 'Make room, or send the output elsewhere.');
	t.like(error.cause, {code: 'ENOSPC'});
});
