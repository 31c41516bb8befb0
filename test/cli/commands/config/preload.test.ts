import {writeFileSync} from 'node:fs';
import path from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {contentsOf, runConfig, runConfigJson} from '../../helpers/run-config.js';
import {makeTemporaryDirectory} from '../../helpers/temporary-directory.js';

function makeDirectory(t: ExecutionContext, text?: string): string {
	const directory = makeTemporaryDirectory(t);
	if (text !== undefined) {
		writeFileSync(path.join(directory, 'preload_config'), text);
	}

	return directory;
}

test('entries are added at the end, once, as rdma-core reads them; comments stay', async t => {
	const directory = makeDirectory(t, '# mine\n* INET STREAM *');
	t.is((await runConfig(directory, ['preload', 'add', 'nginx', 'af_inet6', 'SOCK_STREAM', 'tcp'])).code, 0);
	t.is(contentsOf(directory)['preload_config'], '# mine\n* INET STREAM *\nnginx INET6 STREAM TCP\n');
	t.is((await runConfig(directory, ['preload', 'add', '*', 'INET', 'STREAM', '*'])).stdout, 'Nothing to change.\n');
	const {entries} = await runConfigJson<{entries: unknown}>(directory, ['preload', 'list']);
	t.deepEqual(entries, [
		{line: 2, program: '*', domain: 'INET', type: 'STREAM', protocol: '*'}, {line: 3, program: 'nginx', domain: 'INET6', type: 'STREAM', protocol: 'TCP'},
	]);
	t.regex((await runConfig(directory, ['preload', 'list'])).stdout, /^ +3 {2}nginx {4}INET6/m);
});

test('entries are removed; without any there is no file', async t => {
	const directory = makeDirectory(t, 'a INET STREAM *\na INET6 STREAM *\nb INET STREAM *\n');
	t.is((await runConfig(directory, ['preload', 'remove', 'a', 'AF_INET6', '--dry-run'])).code, 0);
	t.is((await runConfig(directory, ['preload', 'remove', 'a', 'AF_INET6'])).code, 0);
	t.is(contentsOf(directory)['preload_config'], 'a INET STREAM *\nb INET STREAM *\n');
	const {code, stderr} = await runConfig(directory, ['preload', 'remove', 'a', 'INET6']);
	t.is(code, 1);
	t.regex(stderr, /there is no entry a INET6/);
	t.is((await runConfig(directory, ['preload', 'remove', 'a'])).code, 0);
	t.is((await runConfig(directory, ['preload', 'remove', 'b'])).code, 0);
	t.deepEqual(contentsOf(directory), {});
	t.regex((await runConfig(directory, ['preload', 'list'])).stdout, /no entries/);
});

test('what is wrong is told, and nothing is written', async t => {
	const directory = makeDirectory(t);
	const {code, stderr} = await runConfig(directory, ['preload', 'add', 'a', 'INTE', 'STREAM', '*']);
	t.is(code, 125);
	t.regex(stderr, /"INTE" is no domain\nDid you mean INET\?/);
	t.is((await runConfig(directory, ['preload', 'remove', 'a', 'x'])).code, 125);
	t.deepEqual(contentsOf(directory), {});
	writeFileSync(path.join(directory, 'preload_config'), '* INET STREAM\n');
	const faulty = await runConfig(directory, ['preload', 'list']);
	t.is(faulty.code, 1);
	t.regex(faulty.stderr, /preload_config:1: four words/);
	t.is((await runConfig(directory, ['preload', 'add', 'a', 'INET', 'STREAM', '*'])).code, 125);
});
