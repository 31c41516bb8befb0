/** `rsconfig explain` */
import {readChosen, settingsOf} from '../../control/config/choose-directory.js';
import {formatSource} from '../../control/config/effective.js';
import {describeAllowed, findOption} from '../../control/config/parse-value.js';
import {listProfiles, readProfile} from '../../control/profiles/profiles.js';
import {defineCommand} from '../../control/tool/tool.js';
import {completeKeys, keyPositional} from './key.js';

export const explainCommand = defineCommand({
	command: 'explain <key>',
	describe: 'Says what a setting does, what it may be, and what it is',
	positionals: {key: keyPositional},
	json: '{version, name, value, default, unit, min, max or values, source, help, profiles: {name: value}}',
	complete: completeKeys,
	run(args, context) {
		const option = findOption(args.key, context.native);
		const setting = settingsOf(readChosen(args, context), context).find(({name}) => name === option.name);
		if (!setting) {
			return 1;
		}

		const profiles = Object.fromEntries(listProfiles().flatMap(name => {
			const value = readProfile(name, context.native).settings.get(option.name);
			return value === undefined ? [] : [[name, value]];
		}));
		if (context.isJson) {
			context.printJson({version: 1, ...setting, profiles});
			return 0;
		}

		const {paint} = context;
		context.print([
			`${paint('bold', option.name)}: ${option.help}`,
			`It is ${describeAllowed(option)}; the default is ${setting.default}.`,
			`Now: ${paint('cyan', String(setting.value))} (${formatSource(setting.source)})`,
			...Object.entries(profiles).map(([name, value]) => `Profile ${name}: ${value}`),
		].join('\n'));
		return 0;
	},
});
