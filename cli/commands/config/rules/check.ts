/** `rsconfig rules check` */
import {chooseDirectory} from '../../../control/config/choose-directory.js';
import {formatFault} from '../../../control/config/fault.js';
import {findUnreachable} from '../../../control/rules/find-unreachable.js';
import {ruleToJson} from '../../../control/rules/format-rule.js';
import {readRules} from '../../../control/rules/read-rules.js';
import {defineCommand} from '../../../control/tool/tool.js';

export const rulesFile = {type: 'string', describe: 'Rules as text or JSON, - is standard input; nothing: those that are installed'} as const;

export const rulesCheckCommand = defineCommand({
	command: 'check [file]',
	describe: 'Checks a file of rules',
	positionals: {file: rulesFile},
	json: '{version, file, isValid, rules: [{line, text, rule}], unreachable: [{line, because}], faults: [{file, line, message, remedy}]}',
	exitCodes: [[1, 'There are faults; they are printed, one a line.']],
	run(args, context) {
		const {file, rules, faults} = readRules(args.file, chooseDirectory(args, context), context.native);
		const unreachable = findUnreachable(rules).map(({rule, because}) => ({line: rule.line, because: because.line}));
		if (context.isJson) {
			context.printJson({
				version: 1, file, isValid: faults.length === 0,
				rules: rules.map(rule => ({line: rule.line, text: rule.text, rule: ruleToJson(rule)})), unreachable, faults,
			});
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
