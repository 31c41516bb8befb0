import process from 'node:process';
import test from 'ava';
import {examineLimits} from '../../../../cli/control/check/examine-limits.js';
import {makeRoot} from '../../helpers/make-root.js';

function limits(files: string, memory = 'unlimited            unlimited', size = 'unlimited            unlimited'): string {
	return `Limit                     Soft Limit           Hard Limit           Units     \nMax file size             ${size}            bytes     \nMax open files            ${files}                files     \nMax locked memory         ${memory}              bytes     \n`;
}

test('usual ones are good', t => {
	const root = makeRoot(t, {'proc/42/limits': limits('1024                 4096', '8388608              8388608')});
	t.deepEqual(examineLimits(root, 42, false).map(({code, level, text}) => [code, level, text]), [
		['nofile', 'good', '1024 open files (ulimit -n), at most 4096'],
		['memlock', 'good', '8192 KiB of locked memory (ulimit -l): shared memory needs none'],
	]);
});

test('few files, little memory for a device, small files', t => {
	const root = makeRoot(t, {'proc/42/limits': limits('256                  512', '65536                65536', '1048576              unlimited')});
	t.deepEqual(examineLimits(root, 42, true).map(({code, level}) => [code, level]), [['nofile', 'warning'], ['memlock', 'warning'], ['fsize', 'warning']]);
	t.regex(examineLimits(root, 42, true)[0]?.remedy ?? '', /^As root: prlimit .*--nofile=65536/);
	t.is(examineLimits(makeRoot(t, {'proc/42/limits': limits('256                  4096')}), 42, false)[0]?.remedy, 'ulimit -n 4096');
});

test('the lower of two limits counts: Node raises its own', t => {
	const root = makeRoot(t, {'proc/42/limits': limits('20000                20000'), 'proc/self/limits': limits('300                  300')});
	t.regex(examineLimits(root, 42, false)[0]?.text ?? '', /^300 open files/);
	t.regex(examineLimits(root, 43, false)[0]?.text ?? '', /^300 open files/);
});

test('unlimited, unreadable, and ours', t => {
	t.regex(examineLimits(makeRoot(t, {}), 1, false)[0]?.text ?? '', /^unlimited open files/);
	t.true(examineLimits('/', process.ppid, false).length >= 2);
});
