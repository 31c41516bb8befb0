/** `rsconfig rules check` */
import {chooseDirectory} from '../../../control/config/choose-directory.js';
import {formatFault} from '../../../control/config/fault.js';
import {examineRules} from '../../../control/rules/examine-rules.js';
import {defineCommand} from '../../../control/tool/tool.js';

export const rulesFile = {type: 'string', describe: 'Rules as text or JSON, - is standard input; nothing: those that are installed'} as const;

export const rulesCheckCommand = defineCommand({
	command: 'check [file]',
	describe: 'Checks a file of rules',
	positionals: {file: rulesFile},
	json: '{version, file, isValid, rules: [{line, text, rule}], unreachable: [{line, because}], faults: [{file, line, message, remedy}]}',
	exitCodes: [[1, 'There are faults; they are printed, one a line.']],
	run(args, context) {
		const examined = examineRules(args.file, chooseDirectory(args, context), context.native);
		const {file, rules, unreachable, faults} = examined;
		if (context.isJson) {
			context.printJson({version: 1, ...examined});
			return faults.length > 0 ? 1 : 0;
		}

		for (const {line, because} of unreachable) {
			context.warn(`${file}:${line}: this rule never decides anything: line ${because} always comes first`);
		}

		context.print(faults.length > 0
			? faults.map(fault => formatFault(fault)).join('\n')
			: `${file}: ${rules.length} ${rules.length === 1 ? 'rule' : 'rules'}, all is well.`);
		return faults.length > 0 ? 1 : 0;
	},
});
