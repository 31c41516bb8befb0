import {readFileSync} from 'node:fs';
import test from 'ava';
import {parse} from 'yaml';
import {checkTool} from '../../../cli/commands/check.js';
import {commandName, parseTool} from '../../../cli/control/tool/parse-tool.js';

/** From dist/test/cli/config. */
const workflow = readFileSync(new URL('../../../../config/ci/rscheck.yml', import.meta.url), 'utf8');

type Step = {readonly run?: string; readonly uses?: string; readonly name?: string};
type Workflow = {readonly name: string; readonly on: Readonly<Record<string, unknown>>; readonly jobs: Readonly<Record<string, {readonly 'runs-on': string; readonly steps: readonly Step[]}>>};

const parsedWorkflow = parse(workflow) as Workflow;

/** What its steps run. */
function commands(): string[] {
	return Object.values(parsedWorkflow.jobs).flatMap(({steps}) => steps.flatMap(({run}) => run?.trim().split('\n') ?? []));
}

test('it is a workflow: every step does one thing', t => {
	t.deepEqual(Object.keys(parsedWorkflow.on), ['push', 'pull_request', 'schedule']);
	for (const {'runs-on': machine, steps} of Object.values(parsedWorkflow.jobs)) {
		t.regex(machine, /^ubuntu-/);
		t.true(steps.every(({run, uses}) => (run === undefined) !== (uses === undefined)));
	}
});

test('the workflow uses commands and options that there are', t => {
	const own = commands().filter(command => command.startsWith('rscheck '));
	const parsed = own.map(command => parseTool(checkTool, command.replaceAll(/\$\(.*?\)/g, './rscheck/').split(/\s+/).slice(1), '0'));
	t.deepEqual(parsed.map(one => 'command' in one ? commandName(one.command) : one.output), ['env', 'matrix']);
	t.like('command' in parsed[1]! ? parsed[1].args : undefined, {apps: ['./rscheck/'], 'require-promotion': true, 'require-all': true});
});

test('it has no tabs, and shows a file that the matrix wrote', t => {
	t.false(workflow.includes('\t'));
	t.regex(workflow, /--output markdown:matrix\.md/);
	t.regex(workflow, /cat matrix\.md >>"\$GITHUB_STEP_SUMMARY"/);
});
