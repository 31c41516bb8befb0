import {Buffer} from 'node:buffer';
import {readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import {fromRaw, joinRaw, rawBuffer, splitNul, splitRaw, toRaw, type Raw} from '../../../cli/control/raw.js';
import {makeTemporaryDirectory} from '../helpers/temporary-directory.js';

const everyByte = String.fromCodePoint(...Array.from({length: 256}, (_, index) => index)) as Raw;

test('text becomes one character a byte, and text again', t => {
	for (const text of ['', 'plain', 'é', '€', '😀', '\0', 'a\u0301']) {
		const raw = toRaw(text);
		t.is(raw.length, Buffer.byteLength(text), `"${text}"`);
		t.is(fromRaw(raw), text, `"${text}"`);
	}
});

test('every byte survives', t => {
	t.deepEqual([...rawBuffer(everyByte)], Array.from({length: 256}, (_, index) => index));
	t.is(rawBuffer(everyByte).toString('latin1'), everyByte);
});

test('bytes that are not UTF-8 can be shown', t => {
	t.is(fromRaw('a\u00FFb' as Raw), 'a\uFFFDb');
	t.is(fromRaw('\u00C3' as Raw), '\uFFFD');
});

test('a file whose name is not UTF-8 can be reached', t => {
	const file = joinRaw(toRaw(makeTemporaryDirectory(t)), toRaw('/'), 'na\u00FFme' as Raw);
	writeFileSync(rawBuffer(file), 'text');
	t.is(readFileSync(rawBuffer(file), 'utf8'), 'text');
	t.is(path.basename(file), 'na\u00FFme');
});

test('parts are put together and taken apart', t => {
	t.is(joinRaw(), '' as Raw);
	t.deepEqual(splitRaw(toRaw('a:b::é'), ':'), ['a', 'b', '', toRaw('é')] as Raw[]);
	t.deepEqual(splitRaw(toRaw(''), ':'), [''] as Raw[]);
});

test('strings that each end with NUL', t => {
	t.deepEqual(splitNul(Buffer.from('a\0\0b=\u00FF\0', 'latin1')), ['a', '', 'b=\u00FF'] as Raw[]);
	t.deepEqual(splitNul(Buffer.alloc(0)), []);
	t.deepEqual(splitNul(readFileSync('/proc/self/cmdline')).map(word => fromRaw(word)).slice(0, 1), [process.argv0]);
});
