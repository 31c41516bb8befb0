import test from 'ava';
import {checkTool} from '../../../../cli/commands/check.js';
import {defineRun} from '../../../../cli/commands/define-run.js';
import {statTool} from '../../../../cli/commands/stat.js';
import {completionRequest} from '../../../../cli/control/tool/completion-script.js';
import {type Tool} from '../../../../cli/control/tool/tool.js';
import {loadNative} from '../../../../cli/native.js';
import {runToolHere} from '../../helpers/run-tool.js';

async function complete(tool: Tool, ...words: readonly string[]): Promise<string[]> {
	const {stdout} = await runToolHere(tool, [completionRequest, ...words]);
	return stdout.split('\n').filter(Boolean).map(line => line.split('\t', 1)[0] ?? '');
}

test('values of options', async t => {
	t.true((await complete(statTool, '--reason', '')).includes('peer-absent'));
	t.deepEqual(await complete(statTool, '--reason', 'peer-a'), ['peer-absent']);
	t.deepEqual(await complete(statTool, '--reason=peer-a'), ['--reason=peer-absent']);
	t.deepEqual(await complete(statTool, '--transport', ''), ['shm', 'verbs', 'tcp']);
	t.true((await complete(checkTool, 'matrix', '--output', '')).includes('junit:'));
	t.deepEqual(await complete(checkTool, 'matrix', '--mode', 's'), ['server']);
	t.true((await complete(checkTool, 'fallback', '--set', 'poll')).includes('polling_time='));
});

test('rsrun completes its options, their values, and leaves the command to the shell', async t => {
	const tool = defineRun(loadNative());
	t.true((await complete(tool, '--')).includes('--profile'));
	t.deepEqual(await complete(tool, '--transport', ''), ['auto', 'shm', 'tcp']);
	t.deepEqual(await complete(tool, '--set', 'poll'), ['polling_time=']);
	t.deepEqual(await complete(tool, '--', 'r'), []);
	t.false((await complete(tool, '')).includes('completion'));
});
