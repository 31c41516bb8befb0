import {execFileSync} from 'node:child_process';
import path from 'node:path';
import test from 'ava';
import {makeRoot} from '../../helpers/make-root.js';
import {runConfig, runConfigJson} from '../../helpers/run-config.js';

type Faults = {readonly isValid: boolean; readonly faults: ReadonlyArray<{readonly file: string; readonly line?: number; readonly message: string; readonly remedy: string}>};

test('all is well, or not there', async t => {
	const directory = makeRoot(t, {polling_time: '5', transport: 'tcp\n', preload_config: '# nothing\n\n', rules: '# nothing\n'});
	t.is((await runConfig(directory, ['validate'])).stdout, `${directory}: all is well.\n`);
	t.is((await runConfig('/nowhere', ['validate'])).stdout, '/nowhere does not exist: everything is at its default.\n');
	t.like(await runConfigJson('/nowhere', ['validate']), {exists: false, isValid: true});
});

test('every fault has its file, its line and a remedy', async t => {
	const directory = makeRoot(t, {
		polling_time: '1s\n', ring_siz: '1\n', transport: 'TCP\n', zzzzzzzzzzzzzzzz: '1\n', mem_default: `${'1'.repeat(70)}\n`, wmem_default: ' '.repeat(70_000),
		rules: 'use both * * *\n\nuse shm sever * *\nprofile * latency\n',
		preload_config: '* INET STREAM TCP\n* INET STRAM TCP\n* INET\n  # no\nbad/name INET * *\n* inet6 sock_stream ipproto_tcp\n\u00E9 * * *\n',
	});
	execFileSync('mkfifo', [path.join(directory, 'rqsize_default')]);
	const {isValid, faults} = await runConfigJson<Faults>(directory, ['validate']);
	t.false(isValid);
	t.true(faults.every(({remedy}) => remedy !== ''));
	t.deepEqual(faults.map(({file, line}) => `${path.basename(file)}:${line ?? ''}`), [
		'mem_default:1', 'polling_time:1', 'ring_siz:', 'rqsize_default:', 'transport:1', 'wmem_default:', 'zzzzzzzzzzzzzzzz:',
		'rules:3', 'rules:4',
		'preload_config:2', 'preload_config:3', 'preload_config:4', 'preload_config:5', 'preload_config:7',
	]);
	const {code, stdout} = await runConfig(directory, ['validate']);
	t.is(code, 1);
	t.is(stdout.trim().split('\n').length, faults.length);
	t.regex(stdout, /polling_time:1: polling_time cannot be "1s"\. It is a number from 0 to 1000000 \(us\), one value without a unit/);
	t.regex(stdout, /ring_siz: no setting is called "ring_siz"\. Did you mean ring_size\?/);
	t.regex(stdout, /rules:3: .*It says "sever"; did you mean server\?/);
	t.regex(stdout, /preload_config:2: "STRAM" is no type\. Did you mean STREAM\? It is one of \*, STREAM, DGRAM\./);
});
