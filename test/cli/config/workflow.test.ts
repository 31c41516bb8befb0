import {readFileSync} from 'node:fs';
import test from 'ava';
import {checkTool} from '../../../cli/commands/check.js';
import {commandName, parseTool} from '../../../cli/control/tool/parse-tool.js';

/** From dist/test/cli/config. */
const workflow = readFileSync(new URL('../../../../config/ci/rscheck.yml', import.meta.url), 'utf8');

/** What its steps run: one line, or lines that YAML folds into one. */
function commands(): string[] {
	const lines = workflow.split('\n');
	return lines.flatMap((line, index) => {
		const match = /^( *)run: (.*)$/.exec(line);
		if (!match) {
			return [];
		}

		const [, indent = '', text = ''] = match;
		const rest = lines.slice(index + 1);
		const end = rest.findIndex(other => !other.startsWith(`${indent}  `));
		const below = rest.slice(0, end === -1 ? rest.length : end).map(other => other.trim());
		return text === '>' ? [below.join(' ')] : (text === '|' ? below : [text]);
	});
}

test('the workflow uses commands and options that there are', t => {
	const own = commands().filter(command => command.startsWith('rscheck '));
	const parsed = own.map(command => parseTool(checkTool, command.replaceAll(/\$\(.*?\)/g, './rscheck/').split(/\s+/).slice(1), '0'));
	t.deepEqual(parsed.map(one => 'command' in one ? commandName(one.command) : one.output), ['env', 'matrix']);
	t.deepEqual(parsed.map(one => 'command' in one ? one.args['apps'] : undefined)[1], ['./rscheck/']);
});

test('it has no tabs, and shows a file that the matrix wrote', t => {
	t.false(workflow.includes('\t'));
	t.regex(workflow, /--output markdown:matrix\.md/);
	t.regex(workflow, /cat matrix\.md >>"\$GITHUB_STEP_SUMMARY"/);
});
