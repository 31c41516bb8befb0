/** Rules and profiles from the command line to what really carries connections. */
import {readFileSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test, {type ExecutionContext} from 'ava';
import {makeRoot} from './helpers/make-root.js';
import {runRsrun, rsrun} from './helpers/run-rsrun.js';
import {runConfig} from './helpers/run-config.js';

/** A server that echoes, started by a client of its own name that exchanges `rounds` messages and ends it: two programs. */
const server = `
	const server = require('node:net').createServer(socket => socket.pipe(socket).on('finish', () => server.close()));
	server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;
const client = `
	const {spawn} = require('node:child_process');
	const child = spawn(process.execPath, ['-e', ${JSON.stringify(server)}], {stdio: ['ignore', 'pipe', 'inherit']});
	child.stdout.once('data', port => {
		let rounds = 0;
		const socket = require('node:net').connect(Number(port), '127.0.0.1', () => socket.write('x'));
		socket.on('data', () => ++rounds < 200 ? socket.write('x') : socket.end());
	});
`;

type Connection = {readonly role: string; readonly reason: string; readonly isPromoted: boolean; readonly settingsLine?: number};

async function exchange(t: ExecutionContext, args: readonly string[]): Promise<Connection[]> {
	const file = path.join(makeRoot(t, {}), 'report');
	const {code, stderr} = await runRsrun([...args, `--report=json:${file}`, '--', process.execPath, '-e', client]);
	t.is(stderr, '');
	t.is(code, 0);
	return (JSON.parse(readFileSync(file, 'utf8')) as {connections: Connection[]}).connections;
}

test('a rule that refuses shared memory is obeyed by both programs, and reported', async t => {
	const root = makeRoot(t, {rules: '# not here\nuse tcp * node 127.0.0.0/8\n'});
	const connections = await exchange(t, ['--config-dir', root]);
	t.deepEqual(connections.map(({role, reason}) => `${role} ${reason}`).toSorted(), ['accepted rule', 'connected rule']);
	t.true(connections.every(({isPromoted}) => !isPromoted));
});

test('the first rule that matches wins; those of --rules take the place of the installed ones', async t => {
	const root = makeRoot(t, {'settings/rules': 'use tcp * * *\n', 'new.json': '[{"use": "both", "program": "no*"}, {"use": "tcp"}]'});
	const connections = await exchange(t, ['--config-dir', path.join(root, 'settings'), '--rules', path.join(root, 'new.json')]);
	t.deepEqual(connections.map(({reason}) => reason), ['promoted', 'promoted']);
});

test('one end alone can refuse', async t => {
	const root = makeRoot(t, {rules: 'use tcp server node *\n'});
	const connections = await exchange(t, ['--config-dir', root]);
	t.is(connections.find(({role}) => role === 'accepted')?.reason, 'rule');
	t.true(connections.every(({isPromoted}) => !isPromoted));
});

test('settings of a set rule and of a profile reach the program', async t => {
	const root = makeRoot(t, {'own/rules': 'set node transport=tcp\n', 'own.json': '{"summary": "a", "cost": "b", "settings": {"transport": "tcp"}}'});
	for (const args of [['--config-dir', path.join(root, 'own')], ['--profile', path.join(root, 'own.json')]]) {
		const connections = await exchange(t, args);
		t.is(connections.length, 2);
		t.true(connections.every(({reason}) => reason === 'setting'));
	}
});

test('a connection has the profile of the rule for it, and is reported with the line', async t => {
	const rules = (calls: number, more = '') => `use both * other * profile=low-cpu\nuse both * node 127.0.0.0/8 profile=latency promote_after_calls=${calls}${more}\n`;
	const root = makeRoot(t, {late: rules(1_000_000), early: rules(1, ' ring_size=64K'), 'early.json': '[{"use": "both", "role": "client", "program": "no*", "profile": "latency"}, {"use": "shm", "set": {"promote_after_calls": 1}}]'});
	const late = await exchange(t, ['--rules', path.join(root, 'late'), '--set', 'promote_after_calls=1']);
	t.deepEqual(late.map(({reason, settingsLine}) => [reason, settingsLine]), [['new', 2], ['new', 2]]);
	const early = await exchange(t, ['--rules', path.join(root, 'early'), '--set', 'promote_after_calls=1000000']);
	t.deepEqual(early.map(({reason, settingsLine}) => [reason, settingsLine]), [['promoted', 2], ['promoted', 2]]);
	const json = await exchange(t, ['--rules', path.join(root, 'early.json'), '--profile', 'low-cpu']);
	t.deepEqual(json.map(({role, reason, settingsLine}) => `${role} ${reason} ${settingsLine}`).toSorted(), ['accepted promoted 2', 'connected promoted 1']);
	const none = await exchange(t, ['--set', 'promote_after_calls=1']);
	t.true(none.every(connection => !('settingsLine' in connection)));
});

test('an installed profile of connections is what the next program reads', async t => {
	const directory = path.join(makeRoot(t, {}), 'settings');
	const file = path.join(makeRoot(t, {rules: 'use both * node * profile=latency promote_after_calls=1000000\n'}), 'rules');
	t.is((await runConfig(directory, ['rules', 'install', file])).code, 0);
	t.deepEqual((await exchange(t, ['--config-dir', directory])).map(({reason}) => reason), ['new', 'new']);
});

test('an applied profile is what the next program reads', async t => {
	const directory = path.join(makeRoot(t, {}), 'settings');
	t.is((await runConfig(directory, ['apply', 'latency'])).code, 0);
	const connections = await exchange(t, ['--config-dir', directory]);
	t.true(connections.every(({isPromoted}) => isPromoted));
});

test('a profile gives all that profiles are about; --set is stronger', async t => {
	const {stdout, code} = await runRsrun(['--profile', 'latency', '--set', 'polling_time=3', '--dry-run', '--', 'true'], {env: {RSOCKET_SET: ''}});
	t.is(code, 0);
	t.regex(stdout, /RSOCKET_SET=polling_time=200,promote_after_calls=1,promote_after_bytes=32768,ring_size=0,polling_time=3 /);
});

test('faulty files are told before anything starts', async t => {
	const root = makeRoot(t, {rules: 'use both * * *\nuse nothing * * *\n', semicolon: 'use both * a;b *\n', empty: '# none\n'});
	const run = async (...args: string[]) => runRsrun([...args, '--', 'echo', 'started'], {file: rsrun});
	const faulty = await run('--rules', path.join(root, 'rules'));
	t.is(faulty.code, 125);
	t.is(faulty.stdout, '');
	t.regex(faulty.stderr, /^rsrun: .*rules:2: .*\nNothing was started\./);
	t.regex((await run('--rules', path.join(root, 'semicolon'))).stderr, /semicolon:1: a semicolon ends a rule here/);
	t.regex((await run('--profile', 'latncy')).stderr, /no profile is called "latncy"\nDid you mean latency\?/);
	t.regex((await run('--rules', '/nowhere/rules')).stderr, /cannot be read: ENOENT/);
	t.is((await run('--rules', path.join(root, 'empty'))).stdout, 'started\n');
});
