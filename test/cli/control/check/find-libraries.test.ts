import {spawnSync} from 'node:child_process';
import {mkdirSync, symlinkSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test, {type ExecutionContext} from 'ava';
import {findLoadedFiles, isLibc} from '../../../../cli/control/check/find-libraries.js';
import {setVariable} from '../../helpers/set-variable.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

/** Of the linker's cache, what no test is about. */
const cache: ReadonlyMap<string, string> = new Map([['libc.so.6', '/lib/libc.so.6']]);

function compile(t: ExecutionContext, output: string, source: string, ...flags: readonly string[]): string {
	mkdirSync(path.dirname(output), {recursive: true});
	const {status, stderr} = spawnSync('cc', ['-w', '-x', 'c', '-', '-x', 'none', '-o', output, ...flags], {input: source, encoding: 'utf8'});
	t.is(status, 0, stderr);
	return output;
}

/** `bin/program` that needs `lib/libone.so`, which needs `deep/libtwo.so`: each says by `$ORIGIN` where the next is. */
function build(t: ExecutionContext): {readonly root: string; readonly program: string; readonly one: string; readonly two: string} {
	const root = makeTemporaryDirectory(t);
	// eslint-disable-next-line no-template-curly-in-string -- the linker's
	const braces = '-Wl,-rpath,${ORIGIN}/../deep';
	const two = compile(t, path.join(root, 'deep', 'libtwo.so'), 'int two(void) { return 2; }', '-shared', '-fPIC', '-Wl,-soname,libtwo.so');
	const one = compile(t, path.join(root, 'lib', 'libone.so'), 'int two(void); int one(void) { return two(); }', '-shared', '-fPIC', '-Wl,-soname,libone.so', two, braces);
	const program = compile(t, path.join(root, 'bin', 'program'), 'int one(void); int main(void) { return one(); }', one, '-Wl,-rpath,$ORIGIN/../lib', '-Wl,--allow-shlib-undefined', `-Wl,-rpath-link,${path.dirname(two)}`);
	return {root, program, one, two};
}

function names(program: string, lookUp = cache): {readonly files: string[]; readonly missing: readonly string[]} {
	const {files, missing} = findLoadedFiles(program, lookUp);
	return {files: files.map(({file}) => path.basename(file)), missing};
}

test('a program and its libraries, as the dynamic linker of this system finds them', t => {
	const {files, missing} = findLoadedFiles(process.execPath);
	t.deepEqual(missing, []);
	t.is(files[0]?.file, process.execPath);
	t.true(files[0]?.imports.libraries.includes('libc.so.6'));
	t.false(files.some(({file}) => isLibc(file)));
});

test('each library says where the next one is, from where the file really is', t => {
	const {root, program} = build(t);
	t.deepEqual(names(program), {files: ['program', 'libone.so', 'libtwo.so'], missing: []});
	// The linker agrees.
	t.is(spawnSync(program).status, 2);
	mkdirSync(path.join(root, 'elsewhere'));
	const link = path.join(root, 'elsewhere', 'link');
	symlinkSync(program, link);
	t.deepEqual(names(link), {files: ['link', 'libone.so', 'libtwo.so'], missing: []});
});

test('what the linker would not find is told once; without its cache nobody knows', t => {
	const {root, one, two} = build(t);
	const program = compile(t, path.join(root, 'lost'), 'int one(void); int two(void); int main(void) { return one() + two(); }', one, two);
	t.deepEqual(names(program).missing.toSorted(), ['libone.so', 'libtwo.so']);
	t.deepEqual(names(program, new Map()), {files: ['lost'], missing: []});
	t.deepEqual(names(program, new Map([...cache, ['libone.so', one]])), {files: ['lost', 'libone.so', 'libtwo.so'], missing: ['libtwo.so']});
});

test('a name with a slash is the file itself', t => {
	const root = makeTemporaryDirectory(t);
	const library = compile(t, path.join(root, 'plain.so'), 'int one(void) { return 1; }', '-shared', '-fPIC');
	const program = compile(t, path.join(root, 'program'), 'int one(void); int main(void) { return one(); }', library);
	t.deepEqual(names(program), {files: ['program', 'plain.so'], missing: []});
});

test.serial('LD_LIBRARY_PATH counts for every one of them', t => {
	const {root, one, two} = build(t);
	const program = compile(t, path.join(root, 'lost'), 'int one(void); int main(void) { return one(); }', one, `-Wl,-rpath-link,${path.dirname(two)}`);
	setVariable(t, 'LD_LIBRARY_PATH', `/nowhere:${path.dirname(one)};`);
	t.deepEqual(names(program), {files: ['lost', 'libone.so', 'libtwo.so'], missing: []});
});

test('libraries that need each other come to an end', t => {
	const root = makeTemporaryDirectory(t);
	const [one, two] = [path.join(root, 'libone.so'), path.join(root, 'libtwo.so')];
	compile(t, two, '', '-shared', '-fPIC', '-Wl,-soname,libtwo.so');
	compile(t, one, '', '-shared', '-fPIC', '-Wl,-soname,libone.so', '-Wl,--no-as-needed', two, '-Wl,-rpath,$ORIGIN');
	compile(t, two, '', '-shared', '-fPIC', '-Wl,-soname,libtwo.so', '-Wl,--no-as-needed', one, '-Wl,-rpath,$ORIGIN');
	t.deepEqual(names(one), {files: ['libone.so', 'libtwo.so'], missing: []});
});

test('what is no program has no files', t => {
	t.deepEqual(findLoadedFiles('/nowhere/program', cache), {files: [], missing: []});
	t.deepEqual(findLoadedFiles(writeTemporaryFile(makeTemporaryDirectory(t), 'script', '#!/bin/sh\n'), cache), {files: [], missing: []});
});

test('the parts of the C library', t => {
	for (const name of ['libc.so.6', '/lib/x86_64-linux-gnu/libpthread.so.0', 'libm.so.6', 'ld-linux-x86-64.so.2', 'libgcc_s.so.1']) {
		t.true(isLibc(name), `${name}`);
	}

	for (const name of ['libcrypto.so.3', 'libmagic.so.1', 'libc.so', 'mylibc.so.6', 'librt2.so.1', 'libstdc++.so.6']) {
		t.false(isLibc(name), `${name}`);
	}
});
