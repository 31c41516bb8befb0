/** `rsconfig validate` */
import {readChosen} from '../../control/config/choose-directory.js';
import {formatFault} from '../../control/config/fault.js';
import {defineCommand} from '../../control/tool/tool.js';

export const validateCommand = defineCommand({
	command: 'validate',
	describe: 'Checks every file of the directory: settings, rules, preload_config',
	json: '{version, directory, exists, isValid, faults: [{file, line, message, remedy}]}',
	exitCodes: [[1, 'There are faults; they are printed, one a line.']],
	run(args, context) {
		const {path, exists, faults} = readChosen(args, context);
		if (context.isJson) {
			context.printJson({version: 1, directory: path, exists, isValid: faults.length === 0, faults});
		} else if (faults.length > 0) {
			context.print(faults.map(fault => formatFault(fault)).join('\n'));
		} else {
			context.print(exists ? `${path}: all is well.` : `${path} does not exist: everything is at its default.`);
		}

		return faults.length > 0 ? 1 : 0;
	},
});
