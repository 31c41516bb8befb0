/** `rsconfig rules install` and `rsconfig rules remove` */
import {carryOut, dryRunOption} from '../../../control/config/change.js';
import {readChosen} from '../../../control/config/choose-directory.js';
import {editRules} from '../../../control/config/edits.js';
import {readRules} from '../../../control/rules/read-rules.js';
import {defineCommand} from '../../../control/tool/tool.js';

const json = '{version, isDryRun, changes: [{file, before, after}]}; before and after are null where there is no file';

export const rulesInstallCommand = defineCommand({
	command: 'install <file>',
	describe: 'Makes a file of rules the one that programs obey',
	description: ['The rules are checked first. Comments go; a profile becomes the settings that it has now, and values lose their units.'],
	positionals: {file: {type: 'string', demandOption: true, describe: 'Rules as text or JSON; - is standard input'}},
	options: dryRunOption,
	json,
	run(args, context) {
		const directory = readChosen(args, context);
		carryOut(editRules(directory, readRules(args.file, directory.path, context.native), context.native), {isDryRun: args['dry-run'] === true, context});
		return 0;
	},
});

export const rulesRemoveCommand = defineCommand({
	command: 'remove',
	describe: 'Removes the rules that are installed: everything may be promoted again',
	options: dryRunOption,
	json,
	run(args, context) {
		carryOut(editRules(readChosen(args, context), undefined, context.native), {isDryRun: args['dry-run'] === true, context});
		return 0;
	},
});
