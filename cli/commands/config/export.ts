/** `rsconfig export`, `rsconfig import` and `rsconfig diff` */
import {carryOut, dryRunOption} from '../../control/config/change.js';
import {readChosen} from '../../control/config/choose-directory.js';
import {diffDirectory} from '../../control/config/diff.js';
import {exportDirectory, readDocument} from '../../control/config/document.js';
import {editByDocument} from '../../control/config/edits.js';
import {formatTable} from '../../control/format-table.js';
import {listProfiles} from '../../control/profiles/profiles.js';
import {defineCommand} from '../../control/tool/tool.js';

export const exportCommand = defineCommand({
	command: 'export',
	describe: 'Prints the whole configuration as JSON',
	json: 'always JSON, as config/config.schema.json describes it',
	run(args, context) {
		context.printJson(exportDirectory(readChosen(args, context), context.native));
		return 0;
	},
});

export const importCommand = defineCommand({
	command: 'import <file>',
	describe: 'Makes the directory what an exported document says',
	description: ['All files change at once. Settings, rules and preload_config that the document does not have are removed.'],
	positionals: {file: {type: 'string', demandOption: true, describe: 'JSON as export prints it; - is standard input'}},
	options: dryRunOption,
	examples: [['$0 export >config.json', 'on one machine'], ['$0 import config.json --dry-run', 'on another one']],
	json: '{version, isDryRun, changes: [{file, before, after}]}',
	run(args, context) {
		const document = readDocument(args.file, context.native);
		carryOut(editByDocument(readChosen(args, context), document, context.native), {isDryRun: args['dry-run'] === true, context});
		return 0;
	},
});

export const diffCommand = defineCommand({
	command: 'diff [other]',
	describe: 'Tells where the directory differs from the defaults, a profile or an exported document',
	positionals: {other: {type: 'string', describe: 'Name of a profile, or a file; nothing: the defaults'}},
	examples: [['$0 diff latency', 'what rsconfig apply latency would change'], ['$0 diff config.json', 'against an exported document']],
	json: '{version, directory, other, differences: [{name, here, there}]}; null where there is nothing',
	exitCodes: [[1, 'There are differences.']],
	complete: words => words.length === 0 ? listProfiles().map(name => `${name}\t`) : [],
	run(args, context) {
		const directory = readChosen(args, context);
		const {other} = args;
		const {differences, isProfile} = diffDirectory(directory, other, context.native);
		if (context.isJson) {
			context.printJson({version: 1, directory: directory.path, other: other ?? null, differences});
		} else if (differences.length > 0) {
			const rows = differences.map(({name, here: ours, there: theirs}) => [name, String(ours ?? '-'), String(theirs ?? '-')]);
			context.print(formatTable(['NAME', 'HERE', isProfile ? `PROFILE ${other}` : other ?? 'DEFAULT'], rows, new Set()).join('\n'));
		} else {
			context.print('No differences.');
		}

		return differences.length > 0 ? 1 : 0;
	},
});
