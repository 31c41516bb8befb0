/** `rsconfig rules`: its commands. */
import {type Command} from '../../control/tool/tool.js';
import {rulesCheckCommand} from './rules/check.js';
import {rulesInstallCommand, rulesRemoveCommand} from './rules/install.js';
import {rulesTestCommand} from './rules/test.js';

export const rulesCommand: Command = {
	command: 'rules',
	describe: 'Checks, tries and installs rules: what may carry which connections, and settings by connection or program',
	commands: [rulesCheckCommand, rulesTestCommand, rulesInstallCommand, rulesRemoveCommand],
};
