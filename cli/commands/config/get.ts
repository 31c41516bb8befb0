/** `rsconfig get` */
import {readChosen, settingsOf} from '../../control/config/choose-directory.js';
import {formatFault} from '../../control/config/fault.js';
import {findOption} from '../../control/config/parse-value.js';
import {defineCommand} from '../../control/tool/tool.js';
import {completeKeys, keyPositional} from './key.js';

export const getCommand = defineCommand({
	command: 'get <key>',
	describe: 'Prints the value of a setting',
	positionals: {key: keyPositional},
	examples: [['$0 get polling_time', 'the value alone: for scripts']],
	json: '{version, name, value, default, unit, min, max or values, source, help}',
	complete: completeKeys,
	run(args, context) {
		const {name} = findOption(args.key, context.native);
		const directory = readChosen(args, context);
		const setting = settingsOf(directory, context).find(row => row.name === name);
		for (const fault of directory.faults.filter(({file}) => file === `${directory.path}/${name}`)) {
			context.warn(`its file does not count: ${formatFault(fault)}`);
		}

		if (context.isJson) {
			context.printJson({version: 1, ...setting});
		} else {
			context.print(String(setting?.value));
		}

		return 0;
	},
});
