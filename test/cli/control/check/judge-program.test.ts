import {spawnSync} from 'node:child_process';
import {chmodSync, readFileSync, rmSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import {URL} from 'node:url';
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
	t.like(judge(chain), {verdict: 'cannot-start', interpreters: [chain]});
	t.deepEqual(codes(judge(chain)), ['script-loop']);
});

test('static programs run plain, and say the remedy', t => {
	const judgement = judge(writeTemporaryFile(makeTemporaryDirectory(t), 'static', makeElf()));
	t.like(judgement, {verdict: 'plain', linkage: 'static'});
	t.like(judgement.findings[0], {code: 'static', verdict: 'plain', remedy: 'Use a dynamically linked build.'});
	t.like(judge(writeTemporaryFile(makeTemporaryDirectory(t), 'musl', makeElf({interpreter: '/lib/ld-musl-x86_64.so.1'}))).findings.at(-1), {code: 'musl', verdict: 'plain'});
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

test('a program that brings the calls itself would not use ours', t => {
	const source = 'int connect(); int send() { return 0; } int main() { return connect() + send(); }';
	const directory = makeTemporaryDirectory(t);
	const judgement = judge(compile(t, path.join(directory, 'open'), source, '-rdynamic'));
	t.is(judgement.verdict, 'misbehaves');
	t.deepEqual(codes(judgement), ['own-calls']);
});

test('a program without sockets is not said to be accelerated', t => {
	const directory = makeTemporaryDirectory(t);
	const none = judge(compile(t, path.join(directory, 'none'), 'int main() { return 0; }'));
	t.is(none.verdict, 'plain');
	t.deepEqual(codes(none), ['no-sockets']);
	t.like(judge(compile(t, path.join(directory, 'starts'), 'int execvp(); int main() { return execvp(); }')), {verdict: 'unknown', findings: [{code: 'no-sockets'}]});
});

test('what cannot start is not said to be accelerated', t => {
	const directory = makeTemporaryDirectory(t);
	const whole = readFileSync(compile(t, path.join(directory, 'whole'), 'int connect(); int main() { return connect(); }'));
	for (const size of [20, 64, 500, 5000]) {
		t.like(judge(writeTemporaryFile(directory, 'cut', whole.subarray(0, size))), {verdict: 'cannot-start', findings: [{code: 'broken'}]}, `${size} bytes`);
	}

	t.like(judge(compile(t, path.join(directory, 'object.o'), 'int main() { return 0; }', '-c')), {verdict: 'cannot-start', findings: [{code: 'broken'}]});
	t.like(judge(writeTemporaryFile(directory, 'bionic', makeElf({interpreter: '/system/bin/linker64'}))), {verdict: 'cannot-start', findings: [{code: 'linker-missing'}, {code: 'libc'}]});
	t.is(judge(writeTemporaryFile(directory, 'other', makeElf({interpreter: process.execPath}))).verdict, 'plain');
	compile(t, path.join(directory, 'libgone.so'), 'int gone() { return 0; }', '-shared', '-fPIC');
	const needy = compile(t, path.join(directory, 'needy'), 'int connect(), gone(); int main() { return connect() + gone(); }', path.join(directory, 'libgone.so'), '-Wl,-soname,x', '-Wl,-rpath,$ORIGIN');
	t.is(judge(needy).verdict, 'accelerates');
	rmSync(path.join(directory, 'libgone.so'));
	const judgement = judge(needy);
	t.is(judgement.verdict, 'cannot-start');
	t.regex(judgement.findings[0]?.text ?? '', /libgone\.so cannot be found/);
});

test('a program that may not be read', t => {
	const {uid} = ownSystem(native, toRaw(''));
	const directory = makeTemporaryDirectory(t);
	chmodSync(directory, 0o755);
	const file = compile(t, path.join(directory, 'closed'), 'int connect(); int main() { return connect(); }');
	const ask = (mode: number, capabilities: boolean): Judgement => {
		chmodSync(file, mode);
		const script = `import {judgeProgram} from ${JSON.stringify(new URL('../../../../cli/control/check/judge-program.js', import.meta.url).href)};
			import {ownSystem} from ${JSON.stringify(new URL('../../../../cli/control/check/own-system.js', import.meta.url).href)};
			import {loadNative} from ${JSON.stringify(new URL('../../../../cli/native.js', import.meta.url).href)};
			const native = loadNative();
			if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534); }
			const system = {...ownSystem(native, ''), hasCapabilities: () => ${capabilities}, uid: ${uid + 1}};
			console.log(JSON.stringify(judgeProgram(process.argv[1], system, native)));`;
		const {stdout, stderr} = spawnSync(process.execPath, ['--input-type=module', '-e', script, file], {encoding: 'utf8', env: {...process.env, NODE_V8_COVERAGE: undefined}});
		t.is(stderr, '');
		return JSON.parse(stdout) as Judgement;
	};

	t.like(ask(0o311, false), {verdict: 'unknown', findings: [{code: 'unreadable'}]});
	t.like(ask(0o4311, false), {verdict: 'plain'});
	t.true(codes(ask(0o4311, false)).includes('setid'));
	t.like(ask(0o311, true), {verdict: 'plain'});
	t.true(codes(ask(0o311, true)).includes('capabilities'));
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
	const filter = compile(t, path.join(directory, 'filter'), 'int prctl(); int connect(); const char *s = "PR_SET_SECCOMP failed"; int main() { return prctl(s) + connect(); }');
	t.deepEqual(codes(judge(filter)), ['seccomp']);
	const uring = compile(t, path.join(directory, 'uring'), 'long syscall(); int connect(); const char *s = "io_uring_setup"; int main() { return syscall(s) + connect(); }');
	t.deepEqual(codes(judge(uring)), ['io-uring']);
	const unseen = native.calls().find(({kind, name}) => kind === 'unseen' && name === 'backtrace_symbols_fd');
	t.truthy(unseen);
	const trace = compile(t, path.join(directory, 'trace'), 'int backtrace_symbols_fd(); int connect(); int main() { return backtrace_symbols_fd() + connect(); }');
	t.like(judge(trace), {verdict: 'accelerates', calls: {unseen: ['backtrace_symbols_fd']}});
});
