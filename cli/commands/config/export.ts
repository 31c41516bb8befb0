/** `rsconfig export`, `rsconfig import` and `rsconfig diff` */
import {carryOut, contentsOf, dryRunOption} from '../../control/config/change.js';
import {readChosen, refuse} from '../../control/config/choose-directory.js';
import {diffDocuments} from '../../control/config/diff.js';
import {directoryToDocument, documentToChanges, readDocument} from '../../control/config/document.js';
import {formatTable} from '../../control/format-table.js';
import {listProfiles, readProfile} from '../../control/profiles/profiles.js';
import {defineCommand} from '../../control/tool/tool.js';

export const exportCommand = defineCommand({
	command: 'export',
	describe: 'Prints the whole configuration as JSON',
	json: 'always JSON, as config/config.schema.json describes it',
	run(args, context) {
		const directory = readChosen(args, context);
		refuse(directory.faults, 'What is faulty cannot be exported: mend it first.');
		context.printJson(directoryToDocument(directory, context.native));
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
		const directory = readChosen(args, context);
		const before = contentsOf(directory);
		for (const {file} of directory.faults) {
			before.set(file.slice(directory.path.length + 1), before.get(file.slice(directory.path.length + 1)) ?? '(malformed)\n');
		}

		carryOut(directory.path, documentToChanges(document, context.native), before, {isDryRun: args['dry-run'] === true, context});
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
		const isProfile = other !== undefined && listProfiles().includes(other);
		const there = other === undefined
			? {version: 1 as const}
			: (isProfile
				? {version: 1 as const, settings: Object.fromEntries(readProfile(other, context.native).settings)}
				: readDocument(other, context.native));
		const here = directoryToDocument(directory, context.native);
		const differences = diffDocuments(isProfile ? {version: 1, settings: here.settings ?? {}} : here, there, context.native);
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
