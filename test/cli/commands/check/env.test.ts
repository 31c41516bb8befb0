import {existsSync, mkdirSync, utimesSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {checkTool} from '../../../../cli/commands/check.js';
import {temporaryFile} from '../../../../cli/control/config/temporary-names.js';
import {type EnvFinding} from '../../../../cli/control/check/machine.js';
import {makeRoot} from '../../helpers/make-root.js';
import {runToolHere, type ToolRun} from '../../helpers/run-tool.js';
import {makeTemporaryDirectory} from '../../helpers/temporary-directory.js';

type Report = {readonly isReady: boolean; readonly findings: readonly EnvFinding[]};

const clean = {RSOCKET_SET: undefined, RSOCKET_RULES: undefined, RSOCKET_CONFIG_DIR: undefined, LD_PRELOAD: undefined};

async function examine(args: readonly string[], env: Readonly<Record<string, string | undefined>> = {}): Promise<ToolRun & {readonly report: Report}> {
	const run = await runToolHere(checkTool, ['env', '--json', ...args], {env: {...clean, ...env}});
	return {...run, report: JSON.parse(run.stdout) as Report};
}

function levelOf({findings}: Report, code: string): string | undefined {
	return findings.find(finding => finding.code === code)?.level;
}

test('this machine is ready, and proves it', async t => {
	const {code, report} = await examine(['--dir', '/nowhere']);
	t.is(code, 0);
	t.true(report.isReady);
	t.is(levelOf(report, 'conversation'), 'good');
	t.deepEqual([...new Set(report.findings.map(({area}) => area))].filter(area => area !== 'leftovers'), ['toolkit', 'kernel', 'limits', 'rdma', 'settings']);
});

test('settings that keep everything on TCP', async t => {
	const {code, report} = await examine([], {RSOCKET_SET: 'transport=tcp'});
	t.is(code, 1);
	t.is(levelOf(report, 'conversation'), 'bad');
	t.is(levelOf(report, 'transport'), 'warning');
});

test('faulty rules', async t => {
	const directory = makeRoot(t, {rules: 'nonsense\n'});
	const {code, report} = await examine(['--dir', directory, '--quick']);
	t.is(code, 1);
	t.true(report.findings.some(({area, level, text}) => area === 'settings' && level === 'bad' && text.startsWith(`${directory}/rules:1`)));
	t.is(levelOf(report, 'conversation'), undefined);
});

test('warnings count when that is asked for', async t => {
	const directory = makeRoot(t, {polling_time: 'x\n'});
	t.is((await examine(['--dir', directory, '--quick'])).code, 0);
	t.is((await examine(['--dir', directory, '--quick', '--strict'])).code, 1);
});

test('text, and colours', async t => {
	const args = ['env', '--quick', '--dir', makeRoot(t, {polling_time: 'x\n'})];
	const {stdout} = await runToolHere(checkTool, args, {env: clean});
	t.regex(stdout, /^good {5}toolkit {4}\/.*librspreload\.so$/m);
	t.regex(stdout, /^warning {2}settings {3}.*polling_time:1: .*\n {20}\S/m);
	t.true(stdout.endsWith('\nReady.\n'));
	t.true((await runToolHere(checkTool, args, {env: clean, isTerminal: true})).stdout.includes('\u001B['));
});

test.serial('leftover files are named, and removed on request', async t => {
	const configDirectory = path.join(makeTemporaryDirectory(t), 'rsocket');
	const left = path.join(configDirectory, temporaryFile('rules'));
	mkdirSync(left, {recursive: true});
	utimesSync(left, 1, 1);
	const {code, report} = await examine(['--dir', configDirectory, '--quick']);
	t.is(code, 0);
	t.true(report.findings.some(({level, text}) => level === 'warning' && text.startsWith(left)));
	t.true(existsSync(left));
	const cleaned = await examine(['--dir', configDirectory, '--quick', '--clean']);
	t.true(cleaned.report.findings.some(({level, text}) => level === 'note' && text === `${left} is removed.`));
	t.false(existsSync(left));
});
