/** `rsconfig apply` and `rsconfig profiles` */
import {carryOut, dryRunOption} from '../../control/config/change.js';
import {readChosen} from '../../control/config/choose-directory.js';
import {editByProfile} from '../../control/config/edits.js';
import {listProfiles, readProfile} from '../../control/profiles/profiles.js';
import {defineCommand} from '../../control/tool/tool.js';

export const applyCommand = defineCommand({
	command: 'apply <profile>',
	describe: 'Writes the settings of a profile',
	description: ['All files change at once. Settings that profiles are about and this one leaves open go back to their defaults; others stay.'],
	positionals: {profile: {type: 'string', demandOption: true, describe: 'Name of a profile, or a file'}},
	options: dryRunOption,
	examples: [['$0 apply latency --dry-run', 'what would change']],
	json: '{version, isDryRun, changes: [{file, before, after}]}',
	complete: words => words.length === 0 ? listProfiles().map(name => `${name}\t`) : [],
	run(args, context) {
		carryOut(editByProfile(readChosen(args, context), args.profile, context.native), {isDryRun: args['dry-run'] === true, context});
		return 0;
	},
});

export const profilesCommand = defineCommand({
	command: 'profiles',
	describe: 'Lists the profiles, what they set and what they cost',
	json: '{version, profiles: [{name, summary, cost, settings}]}',
	run(_args, context) {
		const profiles = listProfiles().map(name => readProfile(name, context.native));
		if (context.isJson) {
			context.printJson({version: 1, profiles: profiles.map(profile => ({...profile, settings: Object.fromEntries(profile.settings)}))});
			return 0;
		}

		context.print(profiles.map(({name, summary, cost, settings}) => [
			`${context.paint('bold', name)}: ${summary}`,
			`  Costs: ${cost}`,
			`  Sets: ${settings.size === 0 ? 'nothing; all is at its default' : [...settings].map(([key, value]) => `${key}=${value}`).join(', ')}`,
		].join('\n')).join('\n'));
		return 0;
	},
});
