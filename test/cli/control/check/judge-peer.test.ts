import process from 'node:process';
import test, {type ExecutionContext} from 'ava';
import {judgePeer, type PeerSubject} from '../../../../cli/control/check/judge-peer.js';
import {type ProcessFacts} from '../../../../cli/control/check/inspect-process.js';
import {ownSystem} from '../../../../cli/control/check/own-system.js';
import {toRaw} from '../../../../cli/control/raw.js';
import {loadNative, preloadLibrary} from '../../../../cli/native.js';
import {makeElf} from '../../helpers/make-elf.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

const native = loadNative();
const system = ownSystem(native, toRaw('/usr/bin:/bin'));
const ends = {local: '127.0.0.1', localPort: 40_000, peer: '::ffff:127.0.0.1', peerPort: 6379};
const peer = {uid: 33, inode: 7, isAccepted: true};

const server: ProcessFacts = {
	pid: 42, program: 'redis-server', executable: process.execPath, library: preloadLibrary, settings: '', rules: undefined,
	configDirectory: '/nowhere', filters: 0, descriptors: [8],
};

function judge(change: Partial<PeerSubject> & {readonly server?: Partial<ProcessFacts>}) {
	return judgePeer({
		peer, processes: [{...server, ...change.server}], ends, own: {program: '', settings: '', rules: undefined, configDirectory: '/nowhere'}, ownFilters: 0, ...change,
	}, system, native);
}

function configDirectory(t: ExecutionContext, files: Readonly<Record<string, string>>): string {
	const directory = makeTemporaryDirectory(t);
	for (const [name, text] of Object.entries(files)) {
		writeTemporaryFile(directory, name, text, 0o644);
	}

	return directory;
}

test('a server with the library promotes', t => {
	t.like(judge({}), {verdict: 'promotes', transport: 'shm', reason: 'promoted'});
	t.regex(judge({}).text, /redis-server \(42\)/);
	t.regex(judge({server: {settings: undefined}}).text, /overwritten/);
	t.regex(judge({server: {library: process.execPath}}).remedy, /another build/);
	t.is(judge({server: {library: '/gone/librspreload.so'}}).verdict, 'promotes');
});

test('one of several processes is enough', t => {
	t.is(judge({processes: [{...server, library: undefined}, server]}).verdict, 'promotes');
});

test('a server without it does not', t => {
	t.like(judge({server: {library: undefined}}), {verdict: 'stays', transport: 'tcp', reason: 'peer-absent', remedy: 'Start it with rsrun: rsrun -- redis-server ...'});
	const executable = writeTemporaryFile(makeTemporaryDirectory(t), 'static', makeElf());
	t.regex(judge({server: {library: undefined, executable}}).text, /statically linked/);
});

test('nobody here is another host', t => {
	t.like(judge({peer: undefined, processes: []}), {verdict: 'stays', reason: 'remote'});
});

test('somebody else\'s processes cannot be judged', t => {
	t.like(judge({processes: []}), {verdict: 'unknown', transport: undefined, reason: 'not-visible'});
});

test('settings of either end', t => {
	t.like(judge({server: {settings: 'polling_time=0,transport=tcp'}}), {verdict: 'stays', reason: 'setting'});
	t.regex(judge({server: {settings: 'transport=tcp'}}).text, /redis-server \(42\) has it from RSOCKET_SET/);
	const directory = configDirectory(t, {transport: 'tcp\n'});
	t.regex(judge({server: {configDirectory: directory}}).text, new RegExp(`${directory}/transport`));
	t.is(judge({server: {configDirectory: directory, settings: 'transport=auto'}}).verdict, 'promotes');
	const own = {program: 'redis-cli', settings: 'transport=tcp', rules: undefined, configDirectory: '/nowhere'};
	t.regex(judge({own}).text, /This end has it/);
});

test('rules of either end', t => {
	const directory = configDirectory(t, {rules: '# none\nuse tcp server redis-server 127.0.0.0/8:6379\n'});
	t.like(judge({server: {configDirectory: directory}}), {verdict: 'stays', reason: 'rule'});
	t.regex(judge({server: {configDirectory: directory}}).text, /line 2: use tcp server/);
	t.is(judge({server: {configDirectory: directory, program: 'other'}}).verdict, 'promotes');
	t.is(judge({server: {rules: 'use both server * *:*;use tcp * * *:*'}}).verdict, 'promotes');
	t.is(judge({server: {rules: 'use tcp * * *:*'}}).reason, 'rule');
	t.regex(judge({server: {rules: 'use nonsense'}}).text, /has a fault/);
	t.like(judge({server: {rules: 'set redis-server transport=tcp'}}), {reason: 'setting'});
	t.regex(judge({server: {rules: 'set redis-server transport=tcp'}}).text, /RSOCKET_RULES, line 1/);
});

test('filters of its own, and connections on standard descriptors', t => {
	t.is(judge({server: {filters: 1}}).reason, 'seccomp');
	t.is(judge({server: {filters: 1}, ownFilters: 1}).verdict, 'promotes');
	t.is(judge({server: {descriptors: [0, 1]}}).reason, 'stdio');
	t.is(judge({server: {descriptors: [0, 5]}}).verdict, 'promotes');
	t.is(judge({server: {descriptors: [0]}, peer: {...peer, isAccepted: false}}).verdict, 'promotes');
});
