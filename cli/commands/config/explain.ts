/** `rsconfig explain` */
import {readChosen} from '../../control/config/choose-directory.js';
import {formatSource} from '../../control/config/effective.js';
import {explainSetting} from '../../control/config/explain-setting.js';
import {describeAllowed, findOption} from '../../control/config/parse-value.js';
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
		const {profiles, ...setting} = explainSetting(option.name, readChosen(args, context), context);
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
