import {mkdirSync, symlinkSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test, {type ExecutionContext} from 'ava';
import {inspectProcess} from '../../../../cli/control/check/inspect-process.js';
import {makeTemporaryDirectory} from '../../helpers/temporary-directory.js';

type Shape = {readonly environ: string; readonly maps?: string; readonly status?: string};

function makeProcess(t: ExecutionContext, {environ, maps = '', status = ''}: Shape): string {
	const root = makeTemporaryDirectory(t);
	const directory = path.join(root, '42');
	mkdirSync(path.join(directory, 'fd'), {recursive: true});
	for (const [name, text] of Object.entries({environ, maps, status, comm: 'server\n'})) {
		writeFileSync(path.join(directory, name), text);
	}

	symlinkSync('/usr/bin/server', path.join(directory, 'exe'));
	for (const [name, target] of [['0', '/dev/null'], ['5', 'socket:[77]'], ['6', 'socket:[78]']] as const) {
		symlinkSync(target, path.join(directory, 'fd', name));
	}

	return root;
}

test('what a preloaded process shows', t => {
	const root = makeProcess(t, {
		environ: 'LD_PRELOAD=/lib/librspreload.so\0RSOCKET_SET=transport=tcp\0RSOCKET_CONFIG_DIR=conf\0RSOCKET_RULES=use tcp\0',
		maps: '7f00-7f01 r--p 00000000 00:00 12  /opt/x/librspreload.so (deleted)\n7f01-7f02 r--p 0 00:00 13 /lib/libc.so.6\n',
		status: 'Name:\tserver\nSeccomp_filters:\t2\n',
	});
	t.deepEqual(inspectProcess(42, 77, root), {
		pid: 42, program: 'server', executable: '/usr/bin/server', library: `${root}/42/root/opt/x/librspreload.so`, settings: 'transport=tcp', rules: 'use tcp',
		configDirectory: `${root}/42/cwd/conf`, filters: 2, descriptors: [5],
	});
});

test('a plain one', t => {
	const root = makeProcess(t, {environ: 'HOME=/\0'});
	t.like(inspectProcess(42, 1, root), {library: undefined, settings: '', rules: undefined, configDirectory: `${root}/42/root/etc/rdma/rsocket`, filters: 0, descriptors: []});
});

test('an overwritten environment hides the settings', t => {
	const root = makeProcess(t, {environ: 'server: idle\0', maps: '7f00-7f01 r--p 0 00:00 12 /opt/librspreload.so\n'});
	t.is(inspectProcess(42, 1, root)?.settings, undefined);
});

test('nobody, and ourselves', t => {
	t.is(inspectProcess(999_999_999, 0), undefined);
	t.is(inspectProcess(process.pid, 0)?.executable, process.execPath);
});
