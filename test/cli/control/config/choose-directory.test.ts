import process from 'node:process';
import test from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {chooseDirectory, readChosen, refuse, settingsOf} from '../../../../cli/control/config/choose-directory.js';
import {readDirectory} from '../../../../cli/control/config/read-directory.js';
import {type Context} from '../../../../cli/control/tool/tool.js';
import {loadNative} from '../../../../cli/native.js';
import {makeRoot} from '../../helpers/make-root.js';

const native = loadNative();

function choose(dir: unknown, variable: string | undefined): string {
	return chooseDirectory({dir}, {env: {RSOCKET_CONFIG_DIR: variable}} as unknown as Context);
}

test('--dir, then the variable, then the usual one', t => {
	t.is(choose('/a/../b', '/c'), '/b');
	t.is(choose('a', '/c'), `${process.cwd()}/a`);
	t.is(choose(undefined, '/c'), '/c');
	t.is(choose('', '/c'), '/c');
	t.is(choose('', ''), '/etc/rdma/rsocket');
	t.is(choose(undefined, undefined), '/etc/rdma/rsocket');
});

test('what is in it', t => {
	const directory = makeRoot(t, {polling_time: '7\n'});
	t.like(readChosen({dir: directory}, {env: {}, native} as unknown as Context), {path: directory, exists: true, values: new Map([['polling_time', '7']])});
});

test('the profile that was applied is the source of what it set, as long as there is such a profile', t => {
	const look = (profile: string) => {
		const directory = readDirectory(makeRoot(t, {polling_time: '200\n', ring_size: '64\n', applied_profile: profile}), native);
		return Object.fromEntries(settingsOf(directory, {env: {}, native}).filter(({source}) => source.kind !== 'default').map(({name, source}) => [name, source.kind]));
	};

	t.deepEqual(look('latency\n'), {polling_time: 'profile', ring_size: 'file'});
	t.deepEqual(look('gone\n'), {polling_time: 'file', ring_size: 'file'});
	t.deepEqual(look('\n'), {polling_time: 'file', ring_size: 'file'});
	t.deepEqual(look('../../../etc/passwd'), {polling_time: 'file', ring_size: 'file'});
});

test('faults are refused together', t => {
	const faults = [{file: 'a', line: 2, message: 'm', remedy: 'R.'}, {file: 'b', message: 'n', remedy: 'S.'}];
	const error = t.throws(() => {
		refuse(faults, 'Mend it.');
	}, {instanceOf: CliError});
	t.is(error.message, 'a:2: m. R.\nb: n. S.');
	t.like(error, {code: 'invalid', remedy: 'Mend it.'});
	t.deepEqual(error.details, {faults});
	t.notThrows(() => {
		refuse([], 'Mend it.');
	});
});
