import {spawnSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import test from 'ava';
import {listTools} from '../../../../cli/commands/tools.js';
import {formatManual} from '../../../../cli/control/tool/format-manual.js';
import {loadNative} from '../../../../cli/native.js';
import {defineCommand} from '../../../../cli/control/tool/tool.js';

const page = formatManual({
	name: 'tool', summary: 'does things', description: ['First.', '.second'], usage: '$0 [-x]',
	options: {secret: {hidden: true}, level: {choices: ['low', 'high'], default: 'low', alias: 'l', describe: 'How much'}},
	commands: [
		defineCommand({command: '$0', describe: 'Does it', run: () => 0}),
		{command: 'group', describe: 'Many', commands: [defineCommand({
			command: 'one <a> [b]', describe: 'One', description: ['More.'], positionals: {a: {type: 'string', describe: String.raw`Path C:\x`}, b: {type: 'string'}},
			json: '{a}', exitCodes: [[3, 'Odd.']], examples: [['$0 group one "x"', 'so']], run: () => 0,
		})]},
	],
	exitCodes: [[0, 'Good.']], sections: [['MORE', ['Text.']]], files: [['/a-b', 'a file']], environment: [['X', 'a variable']],
	examples: [['$0 group one y', 'thus']], seeAlso: ['other(1)', 'third(7)'],
}, '1.2.3', '2026-01-02');

test('everything of the definition is in the page', t => {
	for (const text of [
		'.TH TOOL 1 2026-01-02 "rsocket accelerator 1.2.3" "User Commands"', String.raw`tool \- does things`, String.raw`tool [\-x]`, String.raw`\&.second`,
		'(tool alone)', 'group one <a> [b]', '.B "<a>"', '.B "[b]"', String.raw`Path C:\ex.`, '.B "exit status 3"\nOdd.', String.raw`.B "with \-\-json"`, String.raw`.B "tool group one \(dqx\(dq"`,
		String.raw`.B "\-\-level, \-l LEVEL"`, 'How much. One of low, high. Default: low.', '.SH MORE\nText.', String.raw`.B "/a\-b"`, '.SH ENVIRONMENT', '.BR other (1),\n.BR third (7)', 'completion <shell>',
	]) {
		t.true(page.includes(text), `${text} in ${page}`);
	}

	t.false(page.includes('secret'));
});

test('the pages of all tools are current, and man finds no fault in them', t => {
	const {version, man} = JSON.parse(readFileSync(new URL('../../../../../package.json', import.meta.url), 'utf8')) as {version: string; man: string[]};
	for (const tool of listTools(loadNative())) {
		const published = readFileSync(new URL(`../../../../../man/${tool.name}.1`, import.meta.url), 'utf8');
		t.is(published, formatManual(tool, version, /^\.TH \S+ 1 (\S+)/m.exec(published)?.[1] ?? ''), 'node scripts/check.d/man.mjs --write');
		t.true(man.includes(`man/${tool.name}.1`));
		const groff = spawnSync('groff', ['-man', '-Tutf8', '-ww'], {input: published, encoding: 'utf8'});
		if (!groff.error) {
			t.is(groff.stderr, '');
		}
	}
});
