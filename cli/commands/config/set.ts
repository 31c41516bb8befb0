/** `rsconfig set` and `rsconfig unset` */
import {carryOut, dryRunOption} from '../../control/config/change.js';
import {readChosen} from '../../control/config/choose-directory.js';
import {editSettings} from '../../control/config/edits.js';
import {defineCommand} from '../../control/tool/tool.js';
import {completeKeyAndValue, completeKeys, keyPositional} from './key.js';

const changeJson = '{version, isDryRun, changes: [{file, before, after}]}; before and after are null where there is no file';

export const setCommand = defineCommand({
	command: 'set <key> <value>',
	describe: 'Gives a setting a value',
	positionals: {key: keyPositional, value: {type: 'string', demandOption: true, describe: 'A number, with K, M, G or us, ms, s if it is a size or a time; or a name'}},
	options: dryRunOption,
	examples: [['$0 set mem_default 1M', 'a size'], ['$0 set polling_time 50us --dry-run', 'a time; only tells what would be written']],
	json: changeJson,
	complete: completeKeyAndValue,
	run(args, context) {
		carryOut(editSettings(readChosen(args, context), {[args.key]: args.value}, context.native), {isDryRun: args['dry-run'] === true, context});
		return 0;
	},
});

export const unsetCommand = defineCommand({
	command: 'unset <key>',
	describe: 'Puts a setting back to its default',
	positionals: {key: keyPositional},
	options: dryRunOption,
	examples: [['$0 unset polling_time', 'its file is removed']],
	json: changeJson,
	complete: completeKeys,
	run(args, context) {
		carryOut(editSettings(readChosen(args, context), {[args.key]: undefined}, context.native), {isDryRun: args['dry-run'] === true, context});
		return 0;
	},
});
