/** The definition of rsconfig(1). */
import {type Tool} from '../control/tool/tool.js';
import {applyCommand, profilesCommand} from './config/apply.js';
import {explainCommand} from './config/explain.js';
import {diffCommand, exportCommand, importCommand} from './config/export.js';
import {getCommand} from './config/get.js';
import {listCommand} from './config/list.js';
import {rulesCommand} from './config/rules.js';
import {setCommand, unsetCommand} from './config/set.js';
import {validateCommand} from './config/validate.js';
import {watchCommand} from './config/watch.js';

export const configTool: Tool = {
	name: 'rsconfig',
	summary: 'show, change and check the settings of the accelerator',
	description: ['Shows, changes and checks the settings that programs started by rsrun read when they start.'],
	options: {
		dir: {type: 'string', requiresArg: true, describe: 'Directory of settings instead of /etc/rdma/rsocket'},
	},
	commands: [
		listCommand, getCommand, explainCommand, setCommand, unsetCommand, applyCommand, profilesCommand, validateCommand, watchCommand, diffCommand, exportCommand,
		importCommand, rulesCommand,
	],
	exitCodes: [
		[0, 'Done; nothing was found wrong.'],
		[1, 'Something was found: faults in a file, or differences.'],
		[125, 'The command could not be carried out: bad arguments, no permission, a missing file.'],
	],
};
