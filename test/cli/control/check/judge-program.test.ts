import {spawnSync} from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import test, {type ExecutionContext} from 'ava';
import {judgeProgram, type Judgement} from '../../../../cli/control/check/judge-program.js';
import {ownSystem} from '../../../../cli/control/check/own-system.js';
import {toRaw} from '../../../../cli/control/raw.js';
import {loadNative, type Native} from '../../../../cli/native.js';
import {makeElf} from '../../helpers/make-elf.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

const native = loadNative();

function judge(file: string, known: Native = native): Judgement {
	return judgeProgram(toRaw(file), ownSystem(native, toRaw('/usr/bin:/bin')), known);
}

/** Builds a program or library out of C; returns its path. */
function compile(t: ExecutionContext, output: string, source: string, ...flags: readonly string[]): string {
	const {status, stderr} = spawnSync('cc', ['-w', '-x', 'c', '-', '-x', 'none', '-o', output, ...flags], {input: source, encoding: 'utf8'});
	t.is(status, 0, stderr);
	return output;
}

function codes({findings}: Judgement): string[] {
	return findings.map(({code}) => code);
}

test('Node accelerates', t => {
	const judgement = judge(process.execPath);
	t.like(judgement, {verdict: 'accelerates', linkage: 'dynamic', interpreters: []});
	t.true(judgement.calls.mapped.includes('connect'));
	t.true(judgement.calls.percentage > 90);
});

test('scripts are judged by what runs them', t => {
	const directory = makeTemporaryDirectory(t);
	const script = writeTemporaryFile(directory, 'script', `#!${process.execPath}\n`);
	t.deepEqual(judge(script).interpreters, [process.execPath]);
	const outer = writeTemporaryFile(directory, 'outer', `#!${script}\n`);
	t.deepEqual(judge(outer).interpreters, [script, process.execPath]);
	t.deepEqual(judge(writeTemporaryFile(directory, 'env', '#!/usr/bin/env sh\n')).interpreters, ['/usr/bin/sh']);
	t.deepEqual(judge(writeTemporaryFile(directory, 'none', 'echo\n')).interpreters, ['/bin/sh']);
	const chain = writeTemporaryFile(directory, 'loop', `#!${path.join(directory, 'loop')}\n`);
	t.true(judge(chain).interpreters.length < 10);
});

test('static programs run plain, and say the remedy', t => {
	const judgement = judge(writeTemporaryFile(makeTemporaryDirectory(t), 'static', makeElf()));
	t.like(judgement, {verdict: 'plain', linkage: 'static'});
	t.like(judgement.findings[0], {code: 'static', verdict: 'plain', remedy: 'Use a dynamically linked build.'});
	t.like(judge(writeTemporaryFile(makeTemporaryDirectory(t), 'musl', makeElf({interpreter: '/lib/ld-musl-x86_64.so.1'}))), {verdict: 'plain', linkage: 'dynamic'});
	t.is(judge(writeTemporaryFile(makeTemporaryDirectory(t), 'go', makeElf({noteNames: ['Go']}))).findings[0]?.code, 'go');
});

test('setuid programs of others run plain', t => {
	const {uid} = ownSystem(native, toRaw(''));
	const system = {...ownSystem(native, toRaw('/bin')), uid: uid + 1};
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'setuid', makeElf({interpreter: '/lib64/ld-linux-x86-64.so.2'}), 0o4755);
	spawnSync('chmod', ['4755', file]);
	t.like(judgeProgram(toRaw(file), system, native).findings[0], {code: 'setid', verdict: 'plain'});
});

test('a call that no table has would be missed', t => {
	const file = compile(t, path.join(makeTemporaryDirectory(t), 'client'), 'int connect(); int send(); int main() { return connect() + send(); }');
	t.is(judge(file).verdict, 'accelerates');
	const older = {...native, calls: () => native.calls().filter(({name}) => name !== 'send')};
	const judgement = judge(file, older);
	t.is(judgement.verdict, 'misbehaves');
	t.deepEqual(judgement.calls.unknown, ['send']);
	t.true(judgement.calls.percentage < 100);
	t.deepEqual(codes(judgement), ['unknown-calls']);
});

test('a library that stands in for the same calls is in the way', t => {
	const directory = makeTemporaryDirectory(t);
	compile(t, path.join(directory, 'libother.so'), 'int connect() { return 0; } int recv() { return 0; }', '-shared', '-fPIC');
	const file = compile(t, path.join(directory, 'client'), 'int connect(); int recv(); int main() { return connect() + recv(); }', path.join(directory, 'libother.so'), '-Wl,-rpath,$ORIGIN');
	const judgement = judge(file);
	t.is(judgement.verdict, 'misbehaves');
	t.true(codes(judgement).includes('interposer'));
	t.deepEqual(judgement.libraries, [path.join(directory, 'libother.so')]);
});

test('remarks that change nothing', t => {
	const directory = makeTemporaryDirectory(t);
	t.deepEqual(codes(judge(compile(t, path.join(directory, 'none'), 'int main() { return 0; }'))), ['no-sockets']);
	const filter = compile(t, path.join(directory, 'filter'), 'int prctl(); int connect(); const char *s = "PR_SET_SECCOMP failed"; int main() { return prctl(s) + connect(); }');
	t.deepEqual(codes(judge(filter)), ['seccomp']);
	const uring = compile(t, path.join(directory, 'uring'), 'long syscall(); int connect(); const char *s = "io_uring_setup"; int main() { return syscall(s) + connect(); }');
	t.deepEqual(codes(judge(uring)), ['io-uring']);
	const unseen = native.calls().find(({kind, name}) => kind === 'unseen' && name === 'backtrace_symbols_fd');
	t.truthy(unseen);
	const trace = compile(t, path.join(directory, 'trace'), 'int backtrace_symbols_fd(); int connect(); int main() { return backtrace_symbols_fd() + connect(); }');
	t.like(judge(trace), {verdict: 'accelerates', calls: {unseen: ['backtrace_symbols_fd']}});
});
