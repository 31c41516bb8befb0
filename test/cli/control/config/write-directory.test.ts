import {Buffer} from 'node:buffer';
import {spawn, spawnSync} from 'node:child_process';
import {chmodSync, closeSync, linkSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import {fileURLToPath, URL} from 'node:url';
import test from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {readDirectory} from '../../../../cli/control/config/read-directory.js';
import {writeDirectory} from '../../../../cli/control/config/write-directory.js';
import {loadNative} from '../../../../cli/native.js';
import {contentsOf} from '../../helpers/run-config.js';
import {makeRoot} from '../../helpers/make-root.js';
import {makeTemporaryDirectory} from '../../helpers/temporary-directory.js';

const native = loadNative();
const rsconfig = fileURLToPath(new URL('../../../../cli/rsconfig.js', import.meta.url));

test('other files, their links, the mode of the directory and a link to it stay', t => {
	const root = makeRoot(t, {'real/a': '1\n', 'real/b': '2\n', 'real/sub/c': '3\n'});
	const real = path.join(root, 'real');
	const link = path.join(root, 'link');
	linkSync(path.join(real, 'b'), path.join(root, 'b'));
	symlinkSync('real', link);
	writeDirectory(link, new Map([['a', '5\n'], ['d', '\u00E9\n'], ['gone', undefined]]), native);
	t.deepEqual(readdirSync(root).toSorted(), ['b', 'link', 'real']);
	t.deepEqual(readdirSync(real).toSorted(), ['a', 'b', 'd', 'sub']);
	t.is(readFileSync(path.join(real, 'sub', 'c'), 'utf8'), '3\n');
	t.deepEqual(readFileSync(path.join(real, 'd')), Buffer.from([0xE9, 10]));
	t.is(statSync(path.join(real, 'b')).ino, statSync(path.join(root, 'b')).ino);
	writeDirectory(real, new Map(), native);
	writeDirectory(real, new Map([['a', undefined]]), native);
	t.false(readdirSync(real).includes('a'));
});

test('what a dead process left behind goes', t => {
	const root = makeRoot(t, {'settings/a': '1\n', 'settings/.a.rsconfig': 'half', '.settings.rsconfig-abc123/x': 'half', '.other.rsconfig-abc123/x': 'theirs'});
	writeDirectory(path.join(root, 'settings'), new Map([['a', '2\n']]), native);
	t.deepEqual(readdirSync(root).toSorted(), ['.other.rsconfig-abc123', 'settings']);
	t.deepEqual(contentsOf(path.join(root, 'settings')), {a: '2\n'});
});

test('killed at any moment, the set of files is the old or the new one', async t => {
	const directory = path.join(makeTemporaryDirectory(t), 'settings');
	const apply = (profile: string) => [rsconfig, '--dir', directory, 'apply', profile];
	const started = Date.now();
	t.is(spawnSync(process.execPath, apply('latency')).status, 0);
	const whole = Date.now() - started;
	const sets = {latency: 'applied_profile,polling_time,promote_after_calls', throughput: 'applied_profile,polling_time,promote_after_bytes,ring_size'};
	for (let index = 0; index < 8; index++) {
		const child = spawn(process.execPath, apply(index % 2 === 0 ? 'throughput' : 'latency'), {stdio: 'ignore'});
		const ended = new Promise(resolve => {
			child.once('close', resolve);
		});
		// The later half of its life is the one that writes.
		setTimeout(() => {
			child.kill('SIGKILL');
		}, whole * (0.5 + (index / 14)));
		await ended;
		const contents = contentsOf(directory);
		const name = contents['applied_profile']?.trim() as keyof typeof sets;
		t.is(Object.keys(contents).filter(file => !file.startsWith('.')).join(','), sets[name]);
		t.is(contents['polling_time'], name === 'latency' ? '200\n' : '50\n');
	}

	t.is(spawnSync(process.execPath, apply('balanced')).status, 0);
	t.deepEqual(readdirSync(path.dirname(directory)), ['settings']);
	t.deepEqual(contentsOf(directory), {applied_profile: 'balanced\n'});
});

test('no permission, and a place where there can be no directory', t => {
	const root = makeRoot(t, {'settings/a': '1\n'});
	const directory = path.join(root, 'settings');
	t.is(t.throws(() => {
		writeDirectory(path.join(directory, 'a'), new Map([['b', '1\n']]), native);
	}, {instanceOf: CliError})?.code, 'write-failed');
	t.is(t.throws(() => {
		writeDirectory('/proc/none/settings', new Map([['b', '1\n']]), native);
	}, {instanceOf: CliError})?.code, 'write-failed');
	const script = String.raw`
		import {writeDirectory} from ${JSON.stringify(new URL('../../../../cli/control/config/write-directory.js', import.meta.url).href)};
		import {loadNative} from ${JSON.stringify(new URL('../../../../cli/native.js', import.meta.url).href)};
		const native = loadNative();
		if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534); } else { process.umask(0); (await import('node:fs')).chmodSync(process.argv[1], 0o555); }
		for (const names of [['a'], ['a', 'b']]) {
			try {
				writeDirectory(process.argv[1], new Map(names.map(name => [name, '2\n'])), native);
			} catch (error) {
				console.log(error.code, error.remedy);
			}
		}`;
	mkdirSync(path.join(root, 'closed'), {mode: 0o755});
	writeFileSync(path.join(root, 'closed', 'a'), '1\n');
	const {stdout, stderr} = spawnSync(process.execPath, ['--input-type=module', '-e', script, path.join(root, 'closed')], {encoding: 'utf8', env: {...process.env, NODE_V8_COVERAGE: undefined}});
	t.is(stderr, '');
	t.regex(stdout, /^permission Nothing was changed\. Use sudo.*\npermission Nothing was changed\. Use sudo/);
	t.deepEqual(contentsOf(path.join(root, 'closed')), {a: '1\n'});
});

test('an owner whose directory stands in a closed one', t => {
	const root = makeRoot(t, {'own/a': '1\n', 'own/gone': '1\n'});
	chmodSync(root, 0o755);
	const own = path.join(root, 'own');
	const script = String.raw`
		import {chmodSync} from 'node:fs';
		import {writeDirectory} from ${JSON.stringify(new URL('../../../../cli/control/config/write-directory.js', import.meta.url).href)};
		import {loadNative} from ${JSON.stringify(new URL('../../../../cli/native.js', import.meta.url).href)};
		const native = loadNative();
		if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534); } else { chmodSync(process.argv[1] + '/..', 0o555); }
		writeDirectory(process.argv[1], new Map([['a', '2\n'], ['b', '3\n'], ['gone', undefined]]), native);`;
	if (process.getuid?.() === 0) {
		spawnSync('chown', ['-R', '65534:65534', own]);
	}

	const {stderr} = spawnSync(process.execPath, ['--input-type=module', '-e', script, own], {encoding: 'utf8', env: {...process.env, NODE_V8_COVERAGE: undefined}});
	chmodSync(root, 0o755);
	t.is(stderr, '');
	t.deepEqual(contentsOf(own), {a: '2\n', b: '3\n'});
	t.deepEqual(readdirSync(root), ['own']);
});

test('where the directory cannot be exchanged, files are', t => {
	const busy = {...native, exchange() {
		throw Object.assign(new Error('EBUSY'), {code: 'EBUSY'});
	}};
	const directory = path.join(makeRoot(t, {'own/a': '1\n'}), 'own');
	writeDirectory(directory, new Map([['a', '2\n'], ['b', '3\n']]), busy);
	t.deepEqual(contentsOf(directory), {a: '2\n', b: '3\n'});
	t.deepEqual(readdirSync(path.dirname(directory)), ['own']);
});

test('killed anywhere, it leaves the old set, or a journal that the next change carries out', t => {
	const script = String.raw`
		import fs from 'node:fs';
		import {syncBuiltinESMExports} from 'node:module';
		let left = Number(process.argv[2]);
		for (const name of ['fsyncSync', 'renameSync', 'rmSync']) {
			const original = fs[name];
			fs[name] = (...args) => { if (left-- === 0) process.kill(process.pid, 'SIGKILL'); return original(...args); };
		}
		syncBuiltinESMExports();
		const {writeDirectory} = await import(${JSON.stringify(new URL('../../../../cli/control/config/write-directory.js', import.meta.url).href)});
		const {loadNative} = await import(${JSON.stringify(new URL('../../../../cli/native.js', import.meta.url).href)});
		const busy = {...loadNative(), exchange() { throw Object.assign(new Error('EBUSY'), {code: 'EBUSY'}); }};
		writeDirectory(process.argv[1], new Map([['mem_default', '2\n'], ['polling_time', '3\n'], ['ring_size', undefined]]), busy);`;
	const [before, after] = [{mem_default: '1\n', ring_size: '64\n'}, {mem_default: '2\n', polling_time: '3\n'}];
	const seen = new Set<string>();
	for (let step = 0; ; step++) {
		const directory = makeRoot(t, before);
		const {signal, stderr} = spawnSync(process.execPath, ['--input-type=module', '-e', script, directory, String(step)], {encoding: 'utf8', env: {...process.env, NODE_V8_COVERAGE: undefined}});
		t.is(stderr, '');
		const names = readdirSync(directory);
		if (names.includes('.unfinished')) {
			seen.add('journal');
			const past = (Date.now() / 1000) - 60;
			utimesSync(path.join(directory, '.unfinished'), past, past);
			t.regex(readDirectory(directory, native).faults.at(-1)?.message ?? '', /not carried out to its end/);
		}

		writeDirectory(directory, new Map([['other', '1\n']]), native);
		const {other: _, ...contents} = contentsOf(directory);
		const isDone = signal === null || names.includes('.unfinished') || !('ring_size' in contents);
		seen.add(isDone ? 'after' : 'before');
		t.deepEqual(contents, isDone ? after : before, `step ${step}`);
		if (signal === null) {
			break;
		}
	}

	t.deepEqual([...seen].toSorted(), ['after', 'before', 'journal']);
});

test('somebody else is at it', t => {
	const directory = makeRoot(t, {a: '1\n'});
	const fd = openSync(directory, 'r');
	t.teardown(() => {
		closeSync(fd);
	});
	t.true(native.lock(fd));
	t.is(t.throws(() => {
		writeDirectory(directory, new Map([['a', '2\n']]), native, {timeoutMs: 20});
	}, {instanceOf: CliError})?.code, 'busy');
	t.deepEqual(contentsOf(directory), {a: '1\n'});
});
