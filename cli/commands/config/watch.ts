/** `rsconfig watch` */
import {chooseDirectory} from '../../control/config/choose-directory.js';
import {type FileChange} from '../../control/config/compare-directories.js';
import {formatFault} from '../../control/config/fault.js';
import {type Directory} from '../../control/config/read-directory.js';
import {watchConfiguration} from '../../control/config/watch-configuration.js';
import {defineCommand, type Context} from '../../control/tool/tool.js';

export const watchCommand = defineCommand({
	command: 'watch',
	describe: 'Checks the directory again whenever it changes, until interrupted',
	description: ['Prints one line for how things stand, then one line for each file that changes. The directory need not exist yet.'],
	examples: [['$0 watch --json | jq .faults', 'events for programs']],
	json: 'one object a line: {version, time, event: "start", directory, exists, faults}, then {version, time, event: "change", file, before, after, faults}; before and after are null where there is no file',
	async run(args, context) {
		await watchConfiguration(chooseDirectory(args, context), {
			native: context.native,
			signal: context.signal,
			onStart(directory) {
				printStart(directory, context);
			},
			onChange(change) {
				printChange(change, context);
			},
		});
		return 0;
	},
});

function printStart({path, exists, faults}: Directory, context: Context): void {
	if (context.isJson) {
		context.printJsonLine({version: 1, time: new Date().toISOString(), event: 'start', directory: path, exists, faults});
		return;
	}

	const count = faults.length === 0 ? 'no faults' : faults.map(fault => formatFault(fault)).join('; ');
	context.print(`${clock()} ${path}: ${exists ? count : 'does not exist yet'}`);
}

function printChange(change: FileChange, context: Context): void {
	if (context.isJson) {
		context.printJsonLine({version: 1, time: new Date().toISOString(), event: 'change', ...change});
		return;
	}

	const {file, before, after, faults} = change;
	context.print(`${clock()} ${faults.length > 0
		? context.paint('red', faults.map(fault => formatFault(fault)).join('; '))
		: `${file}: ${before === null && after === null ? 'the fault is gone' : `${summary(before)} -> ${summary(after)}`}`}`);
}

function summary(text: string | null): string {
	const lines = text?.split('\n').filter(Boolean) ?? [];
	return text === null ? 'nothing' : (lines.length === 1 ? lines[0] ?? '' : `${lines.length} lines`);
}

function clock(): string {
	return new Date().toTimeString().slice(0, 8);
}
