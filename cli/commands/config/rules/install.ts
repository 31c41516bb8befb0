/** `rsconfig rules install` and `rsconfig rules remove` */
import {carryOut, contentsOf, dryRunOption} from '../../../control/config/change.js';
import {readChosen, refuse} from '../../../control/config/choose-directory.js';
import {otherFiles, type Directory} from '../../../control/config/read-directory.js';
import {profilePairs, readProfile} from '../../../control/profiles/profiles.js';
import {compileRules} from '../../../control/rules/parse-rules.js';
import {readRules} from '../../../control/rules/read-rules.js';
import {defineCommand} from '../../../control/tool/tool.js';

const json = '{version, isDryRun, changes: [{file, before, after}]}; before and after are null where there is no file';

export const rulesInstallCommand = defineCommand({
	command: 'install <file>',
	describe: 'Makes a file of rules the one that programs obey',
	description: ['The rules are checked first. Comments go; a profile becomes the settings that it has now.'],
	positionals: {file: {type: 'string', demandOption: true, describe: 'Rules as text or JSON; - is standard input'}},
	options: dryRunOption,
	json,
	run(args, context) {
		const directory = readChosen(args, context);
		const {rules, faults} = readRules(args.file, directory.path, context.native);
		refuse(faults, 'Nothing was changed. rsconfig(1) says how rules are written.');
		const text = compileRules(rules, name => profilePairs(readProfile(name, context.native), context.native), '\n');
		carryOut(directory.path, new Map([[otherFiles.rules, `${text}\n`]]), before(directory), {isDryRun: args['dry-run'] === true, context});
		return 0;
	},
});

export const rulesRemoveCommand = defineCommand({
	command: 'remove',
	describe: 'Removes the rules that are installed: everything may be promoted again',
	options: dryRunOption,
	json,
	run(args, context) {
		const directory = readChosen(args, context);
		carryOut(directory.path, new Map([[otherFiles.rules, undefined]]), before(directory), {isDryRun: args['dry-run'] === true, context});
		return 0;
	},
});

/** A file of rules that cannot be read is one too. */
function before(directory: Directory): Map<string, string | undefined> {
	const contents = contentsOf(directory);
	const isFaulty = directory.faults.some(({file}) => file === `${directory.path}/${otherFiles.rules}`);
	return contents.get(otherFiles.rules) === undefined && isFaulty ? contents.set(otherFiles.rules, '(malformed)\n') : contents;
}
