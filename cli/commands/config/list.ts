/** `rsconfig list` */
import {defineCommand} from '../../control/tool/tool.js';

export const listCommand = defineCommand({
	command: 'list',
	describe: 'Lists all settings with their values and where they come from',
	run(_args, context) {
		context.print(context.native.options().map(({name}) => name).join('\n'));
		return 0;
	},
});
