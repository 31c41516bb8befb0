import {readdirSync, readFileSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import {setTimeout as sleep} from 'node:timers/promises';
import test from 'ava';
import {preloadLibrary} from '../../cli/native.js';
import {makeElf} from './helpers/make-elf.js';
import {rsrun, runRsrun} from './helpers/run-rsrun.js';
import {makeTemporaryDirectory, writeTemporaryFile} from './helpers/temporary-directory.js';

const {env} = process;

test('the target is the same process, with its own exit code', async t => {
	const {pid, code, stdout, stderr} = await runRsrun(['--', 'sh', '-c', 'echo $$; exit 42']);
	t.is(stdout, `${pid}\n`);
	t.is(stderr, '');
	t.is(code, 42);
});

test('the target dies of its own signal', async t => {
	const {signal} = await runRsrun(['--', 'sh', '-c', 'kill -TERM $$']);
	t.is(signal, 'SIGTERM');
});

test('options after the program are the program\'s', async t => {
	const {stdout} = await runRsrun(['printf', '%s,', '--report', '--', '--help', '']);
	t.is(stdout, '--report,--,--help,,');
});

test('arguments and environment keep bytes that are not UTF-8', async t => {
	const script = String.raw`A=$(printf '\377') exec "$0" -- sh -c 'printf %s "$A$1"' sh "$(printf '\376')" | od -An -tx1`;
	const {stdout} = await runRsrun(['-c', script, rsrun], {file: 'sh'});
	t.is(stdout.trim(), 'ff fe');
});

test('the target finds signals, limits and descriptors as without rsrun', async t => {
	const inspect = String.raw`grep -E "^Sig(Blk|Ign)" /proc/self/status; ulimit -Sn; cat <&7; ls /proc/self/fd | tr "\n" " "`;
	const script = `trap "" HUP USR2; ulimit -Sn 517; exec 7<<-EOF
	inherited
	EOF
	"$@" sh -c '${inspect}'`;
	const plain = await runRsrun(['-c', script, 'sh', 'env'], {file: 'bash'});
	const fast = await runRsrun(['-c', script, 'sh', rsrun, '--'], {file: 'bash'});
	t.regex(plain.stdout, /^517$/m);
	t.regex(plain.stdout, /inherited/);
	t.is(fast.stdout, plain.stdout);
	const reported = await runRsrun(['-c', script, 'sh', rsrun, '--report', '--'], {file: 'bash'});
	t.is(reported.stdout, plain.stdout);
});

test('the environment is the caller\'s, and the library comes last in LD_PRELOAD', async t => {
	const {stdout} = await runRsrun(['--set', 'polling_time=0', '--transport', 'tcp', '--log-level', 'silent', '--', 'env'], {env: {LD_PRELOAD: '/nowhere/other.so', RSOCKET_SET: 'ring_size=64'}});
	const lines = new Set(stdout.split('\n'));
	t.true(lines.has(`LD_PRELOAD=/nowhere/other.so:${preloadLibrary}`));
	t.true(lines.has('RSOCKET_SET=ring_size=64,polling_time=0,transport=tcp,log_level=silent'));
	t.false(stdout.includes('RSRUN_INHERITED'));
	t.true(lines.has(`PATH=${env['PATH']}`));
});

test('standard input reaches the target', async t => {
	const {stdout} = await runRsrun(['-c', 'echo hello | "$0" -- cat', rsrun], {file: 'sh'});
	t.is(stdout, 'hello\n');
});

test('dry run prints what a shell would run', async t => {
	const {stdout, code} = await runRsrun(['--dry-run', '--set', 'ring_size=64', '--config-dir', '/', '--', 'printf', '%s', 'it\'s']);
	t.is(code, 0);
	t.true(stdout.includes(`LD_PRELOAD=${preloadLibrary} \\\nRSOCKET_SET=ring_size=64 \\\nRSOCKET_CONFIG_DIR=/ \\\n`));
	const again = await runRsrun(['-c', stdout], {file: 'sh'});
	t.is(again.stdout, 'it\'s');
});

test('dry run as JSON', async t => {
	const {stdout} = await runRsrun(['--dry-run', '--json', '--set', 'ring_size=64', '--trace', 'file', '--', 'printf', '%s', 'a b']);
	t.like(JSON.parse(stdout), {
		version: 1, path: '/usr/bin/printf', argv: ['printf', '%s', 'a b'], obstacle: null,
		environment: {RSOCKET_SET: 'ring_size=64', RSOCKET_TRACE: path.resolve('file')},
	});
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'static', makeElf());
	t.like(JSON.parse((await runRsrun(['--dry-run', '--json', '--', file])).stdout), {environment: {}, obstacle: {code: 'static', path: file}});
	t.is((await runRsrun(['--trace', '/nowhere/file', '--', 'true'])).code, 125);
});

test('help and version go to standard output', async t => {
	const help = await runRsrun(['--help']);
	t.is(help.code, 0);
	t.regex(help.stdout, /rsrun -- redis-server/);
	t.regex(help.stdout, /pol{2}ing_time +10 +a number from 0 to 10{6}/);
	const version = await runRsrun(['--version']);
	t.regex(version.stdout, /^\d+\.\d+\.\d+\n$/);
});

const refusals: ReadonlyArray<readonly [string[], number, RegExp]> = [
	[[], 125, /no command/],
	[['--reprot', '--', 'true'], 125, /Did you mean --report\?/],
	[['--transport', 'rdma', '--', 'true'], 125, /"auto", "shm", "tcp"/],
	[['--set', 'poling_time=1', '--', 'true'], 125, /Did you mean polling_time\?/],
	[['--set', 'polling_time=-1', '--', 'true'], 125, /from 0 to 10{6}/],
	[['--set'], 125, /set/],
	[['--config-dir', '/nowhere', '--', 'true'], 125, /nowhere is not a directory/],
	[['--', 'no-such-program-anywhere'], 127, /no such program/],
	[['--', '/etc/passwd'], 126, /not executable/],
	[['--', '/'], 126, /is a directory/],
];

for (const [args, expected, message] of refusals) {
	test(`refuses: rsrun ${args.join(' ')}`, async t => {
		const {code, stdout, stderr} = await runRsrun(args);
		t.is(code, expected);
		t.is(stdout, '');
		t.regex(stderr, message);
		t.regex(stderr, /^rsrun: /);
	});
}

test('a program that cannot be preloaded is run as it is, and told so', async t => {
	const directory = makeTemporaryDirectory(t);
	const file = writeTemporaryFile(directory, 'program', makeElf());
	const {stderr, stdout} = await runRsrun(['--dry-run', '--', file]);
	t.regex(stderr, /program is statically linked: .* plain TCP/);
	t.is(stdout, `${file}\n`);
});

test('a script without a first line runs in sh, as execvp does it', async t => {
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'script', 'echo "$0 $1"\n');
	t.is((await runRsrun(['--', file, 'x'])).stdout, `${file} x\n`);
	t.is((await runRsrun(['--report', '--', file, 'x'])).stdout, `${file} x\n`);
});

test('with a report, rsrun ends as the target did', async t => {
	const exited = await runRsrun(['--report', '--', 'sh', '-c', 'exit 3']);
	t.is(exited.code, 3);
	t.regex(exited.stderr, /connection/);
	t.is((await runRsrun(['--report', '--', 'sh', '-c', 'kill -KILL $$'])).signal, 'SIGKILL');
	t.is((await runRsrun(['--report', '--', '/etc/passwd'])).code, 126);
});

test('with a report, signals reach the target and nothing is left behind', async t => {
	const temporary = makeTemporaryDirectory(t);
	for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1'] as const) {
		const script = `trap 'echo ${signal}; exit 9' ${signal.slice(3)}; echo ready; while :; do sleep 0.05; done`;
		const {code, stdout} = await runRsrun(['--report=json', '--', 'bash', '-c', script], {
			env: {TMPDIR: temporary},
			onStart(child) {
				child.stdout?.once('data', () => {
					t.is(readdirSync(temporary).length, 1);
					child.kill(signal);
				});
			},
		});
		t.is(stdout, `ready\n${signal}\n`);
		t.is(code, 9);
		t.deepEqual(readdirSync(temporary), []);
	}
});

test('a signal at any moment leaves no report file behind', async t => {
	const temporary = makeTemporaryDirectory(t);
	await Promise.all(Array.from({length: 12}, async (_, index) => {
		await runRsrun(['--report', '--', 'sleep', '0.2'], {
			env: {TMPDIR: temporary},
			async onStart(child) {
				await sleep(20 + (index * 20));
				child.kill('SIGTERM');
			},
		});
	}));
	t.deepEqual(readdirSync(temporary), []);
});

test('the report goes to the file that was named', async t => {
	const directory = makeTemporaryDirectory(t);
	const json = path.join(directory, 'report.json');
	const {stderr} = await runRsrun([`--report=json:${json}`, '--', 'true']);
	t.is(stderr, '');
	t.like(JSON.parse(readFileSync(json, 'utf8')), {version: 1, summary: {connections: 0, dropped: 0}});
	const plain = path.join(directory, 'report.txt');
	await runRsrun([`--report=${plain}`, '--', 'true']);
	t.is(readFileSync(plain, 'utf8'), 'No TCP connection was made under the toolkit.\n');
});

test('a report that cannot be written is no failure of the target', async t => {
	const {code, stderr} = await runRsrun(['--report=/nowhere/report', '--', 'true']);
	t.is(code, 0);
	t.regex(stderr, /cannot be written to \/nowhere\/report/);
});

test('output to a pipe that nobody reads does not hang or crash', async t => {
	const {code} = await runRsrun(['-c', '"$0" --help | head -1 >/dev/null; exit $PIPESTATUS', rsrun], {file: 'bash'});
	t.is(code, 0);
});

test('a closed descriptor stays closed', async t => {
	const script = 'exec "$@" sh -c "[ -e /proc/self/fd/0 ] || echo closed" <&-';
	const {stdout} = await runRsrun(['-c', script, 'sh', rsrun, '--'], {file: 'sh'});
	t.is(stdout, 'closed\n');
});
