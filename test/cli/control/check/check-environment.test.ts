import {existsSync, mkdirSync, utimesSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test, {type ExecutionContext} from 'ava';
import {checkEnvironment, type EnvironmentSubject} from '../../../../cli/control/check/check-environment.js';
import {type EnvFinding} from '../../../../cli/control/check/machine.js';
import {temporaryFile} from '../../../../cli/control/config/temporary-names.js';
import {loadNative} from '../../../../cli/native.js';
import {makeRoot} from '../../helpers/make-root.js';
import {setVariable} from '../../helpers/set-variable.js';
import {makeTemporaryDirectory} from '../../helpers/temporary-directory.js';

const native = loadNative();

async function check(change: Partial<EnvironmentSubject> = {}): Promise<EnvFinding[]> {
	return checkEnvironment({directory: '/nowhere', env: {}, pid: process.pid, native, signal: new AbortController().signal, isQuick: true, isClean: false, ...change});
}

async function converse(change: Partial<EnvironmentSubject>): Promise<EnvFinding | undefined> {
	return (await check({isQuick: false, ...change})).find(({code}) => code === 'conversation');
}

test('a look starts nothing, and every finding that is not good says what to do', async t => {
	const findings = await check({directory: makeRoot(t, {polling_time: 'x\n', rules: 'nonsense\n'})});
	t.false(findings.some(({code}) => code === 'conversation'));
	t.deepEqual(new Set(findings.map(({area}) => area).filter(area => area !== 'leftovers')), new Set(['toolkit', 'kernel', 'limits', 'rdma', 'settings']));
	for (const {level, text, remedy} of findings) {
		t.true(text !== '' && (remedy !== '' || level === 'good' || level === 'note'), `${text}`);
	}
});

test('the proof is a conversation under the very rules, of the variable and of the directory', async t => {
	for (const found of [await converse({env: {RSOCKET_RULES: 'use tcp * * *'}}), await converse({directory: makeRoot(t, {rules: 'use tcp * * *\n'})})]) {
		t.is(found?.level, 'bad');
		t.regex(found?.text ?? '', /^A connection on this host was not promoted \(rule\): \S/);
		t.not(found?.remedy, '');
	}
});

test('an interrupted conversation is no proof', async t => {
	t.like(await converse({signal: AbortSignal.abort()}), {level: 'bad', text: 'A program under the toolkit does not work here.'});
});

test.serial('where no directory can be made, that is the finding', async t => {
	setVariable(t, 'TMPDIR', '/nowhere');
	t.like(await converse({}), {level: 'bad', remedy: 'Set TMPDIR to a directory that can be written to.'});
});

function leave(t: ExecutionContext): {readonly directory: string; readonly file: string} {
	const directory = path.join(makeTemporaryDirectory(t), 'rsocket');
	const file = path.join(directory, temporaryFile('rules'));
	mkdirSync(file, {recursive: true});
	utimesSync(file, 1, 1);
	return {directory, file};
}

// TMPDIR is a place of its own: what other tests left is not theirs to remove.
test.serial('what tools left is named, or removed', async t => {
	setVariable(t, 'TMPDIR', makeTemporaryDirectory(t));
	const {directory, file} = leave(t);
	const leftovers = async (isClean: boolean): Promise<EnvFinding[]> => (await check({directory, isClean})).filter(({area}) => area === 'leftovers');
	t.deepEqual(await leftovers(false), [{area: 'leftovers', code: 'leftover', level: 'warning', text: `${file} was left by a tool that ended early.`, remedy: 'rscheck env --clean removes it.'}]);
	t.true(existsSync(file));
	t.deepEqual(await leftovers(true), [{area: 'leftovers', code: 'removed', level: 'note', text: `${file} is removed.`, remedy: ''}]);
	t.false(existsSync(file));
	t.deepEqual(await leftovers(true), []);
});
