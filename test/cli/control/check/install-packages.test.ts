import {readFileSync} from 'node:fs';
import path from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {installPackages} from '../../../../cli/control/check/install-packages.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';
import {tinyApp} from '../../helpers/tiny-app.js';

/** Package managers that only write down what they are asked. */
function makeManagers(t: ExecutionContext, exitCode = 0) {
	const directory = makeTemporaryDirectory(t);
	const log = path.join(directory, 'log');
	for (const name of ['apt-get', 'npm', 'sudo']) {
		writeTemporaryFile(directory, name, `#!/bin/sh\necho "${name} $*" >>${log}\nexit ${exitCode}\n`);
	}

	writeTemporaryFile(directory, 'dpkg-query', '#!/bin/sh\nprintf "installed c\\nconfig-files d\\n"\n');
	return {path: `${directory}:/usr/bin:/bin`, npmDirectory: '/nowhere', signal: new AbortController().signal, lines: () => readFileSync(log, 'utf8').trim().split('\n')};
}

const wanting = tinyApp({needs: ['nosuchprogram'], packages: {debian: ['a', 'b']}});
const modules = tinyApp({packages: {npm: ['ws@8']}});

test('only what is missing, once', async t => {
	const managers = makeManagers(t);
	await installPackages([wanting, wanting, modules, tinyApp({packages: {debian: ['c']}})], {...managers, isRoot: true});
	t.deepEqual(managers.lines(), ['apt-get -q update', 'apt-get -q install -y --no-install-recommends a b', 'npm install --no-audit --no-fund --prefix /nowhere ws@8']);
});

test('a package that no program tells of', async t => {
	const managers = makeManagers(t);
	await installPackages([tinyApp({packages: {debian: ['c', 'd']}})], {...managers, isRoot: true});
	t.deepEqual(managers.lines(), ['apt-get -q update', 'apt-get -q install -y --no-install-recommends c d']);
});

test('by sudo for others than root', async t => {
	const managers = makeManagers(t);
	await installPackages([wanting], {...managers, isRoot: false});
	t.deepEqual(managers.lines(), ['sudo apt-get -q update', 'sudo apt-get -q install -y --no-install-recommends a b']);
});

test('nothing to do', async t => {
	const managers = makeManagers(t);
	await installPackages([tinyApp()], {...managers, isRoot: true});
	t.throws(() => managers.lines(), {code: 'ENOENT'});
});

test('failures are told', async t => {
	await t.throwsAsync(installPackages([wanting], {...makeManagers(t, 3), isRoot: true}), {name: 'CliError', message: /exit code 3/});
});
