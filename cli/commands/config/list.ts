/** `rsconfig list` */
import {readChosen, settingsOf} from '../../control/config/choose-directory.js';
import {formatSource} from '../../control/config/effective.js';
import {formatTable} from '../../control/format-table.js';
import {defineCommand} from '../../control/tool/tool.js';

export const listCommand = defineCommand({
	command: 'list',
	describe: 'Lists all settings with their values and where they come from',
	options: {changed: {type: 'boolean', describe: 'Only those that are not at their default'}},
	examples: [['$0 list', 'what a program started now would use'], ['$0 list --changed --json', 'the same for programs, without defaults']],
	json: '{version, directory, settings: [{name, value, default, unit, min, max or values, source: {kind, file, profile, variable}, help}]}; kind is default, file, profile or environment',
	run(args, context) {
		const directory = readChosen(args, context);
		const settings = settingsOf(directory, context).filter(({source}) => !args.changed || source.kind !== 'default');
		if (context.isJson) {
			context.printJson({version: 1, directory: directory.path, settings});
			return 0;
		}

		const rows = settings.map(({name, value, default: initial, unit, source}) => [name, String(value), String(initial), unit, formatSource(source)]);
		const [head = '', ...lines] = formatTable(['NAME', 'VALUE', 'DEFAULT', 'UNIT', 'SOURCE'], rows, new Set(['VALUE', 'DEFAULT']));
		context.print([context.paint('bold', head), ...lines.map((line, index) => settings[index]?.source.kind === 'default' ? line : context.paint('cyan', line))].join('\n'));
		if (directory.faults.length > 0) {
			context.warn(`${directory.faults.length} ${directory.faults.length === 1 ? 'fault' : 'faults'} in ${directory.path}: rsconfig validate tells more`);
		}

		return 0;
	},
});
