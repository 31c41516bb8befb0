/** What rsconfig rules does, as functions. */
import {loadNative} from '../../native.js';
import {perform, type Change} from '../config/change.js';
import {editRules} from '../config/edits.js';
import {examineRules, type ExaminedRules} from '../rules/examine-rules.js';
import {readRules} from '../rules/read-rules.js';
import {tryRules, type RuleSubject, type RuleVerdict} from '../rules/try-rules.js';
import {
	directoryOf, readOf, type ChangeOptions, type ConfigOptions,
} from './defaults.js';

type RulesOptions = ConfigOptions & {
	/** Path of a file of rules, as text or JSON; none: those that are installed. */
	readonly file?: string | undefined;
};

/** Of one connection, by the role of the program in it. */
export type RulesAnswer = {
	readonly file: string;
	readonly program: string;
	readonly verdicts: readonly RuleVerdict[];
};

export const rules = {
	/** What stands in a file of rules, which of them never decide anything, and what is wrong. */
	check({file, ...options}: RulesOptions = {}): ExaminedRules {
		return examineRules(file, directoryOf(options), loadNative());
	},

	/**
	Which rule decides about a connection, and why no earlier one did. Throws a CliError where rules are faulty.

	@example
	```
	const {verdicts} = config.rules.test({program: 'redis-server', peer: '10.0.0.5:6379', role: 'server'});
	verdicts[0]?.transport; // 'tcp': it stays there
	```
	*/
	test(subject: RuleSubject, {file, ...options}: RulesOptions = {}): RulesAnswer {
		const {file: name, program, verdicts} = tryRules(file, subject, directoryOf(options), loadNative());
		return {file: name, program, verdicts};
	},

	/** Makes a file of rules the one that programs obey. */
	install(file: string, {dryRun = false, ...options}: ChangeOptions = {}): Change[] {
		const native = loadNative();
		const directory = readOf(options);
		return perform(editRules(directory, readRules(file, directory.path, native), native), {isDryRun: dryRun, native});
	},

	/** Everything may be promoted again. */
	remove({dryRun = false, ...options}: ChangeOptions = {}): Change[] {
		const native = loadNative();
		return perform(editRules(readOf(options), undefined, native), {isDryRun: dryRun, native});
	},
};
