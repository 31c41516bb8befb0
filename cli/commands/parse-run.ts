/** The command line of rsrun. */
import yargs from 'yargs';
import {checkSetting, describeDefault, describeRange} from '../control/check-setting.js';
import {CliError} from '../control/cli-error.js';
import {formatTable} from '../control/format-table.js';
import {completionRequest, completionScript, type shells} from '../control/tool/completion-script.js';
import {explainFailure} from '../control/tool/explain-failure.js';
import {commonOptions} from '../control/tool/tool.js';
import {type Native, type Option} from '../native.js';
import {defineRun} from './define-run.js';

export type ReportTarget = {
	/** Undefined: standard error. */
	readonly file: string | undefined;
	readonly isJson: boolean;
};

export type RunOptions = {
	/** Checked; what --transport and --log-level say stands last. */
	readonly settings: readonly string[];
	readonly configDirectory: string | undefined;
	/** As `rsconfig profiles` names it, or a file. */
	readonly profile: string | undefined;
	readonly rulesFile: string | undefined;
	readonly report: ReportTarget | undefined;
	/** As the user wrote it; undefined: no flight recorder in a file. */
	readonly trace: string | undefined;
	readonly isDryRun: boolean;
	readonly isJson: boolean;
	/** How many of the last arguments are the command. */
	readonly commandLength: number;
};

/** What to do: run, or print `output` (help, version) and be done. */
export type Parsed = RunOptions | {readonly output: string};

export function parseRun(args: readonly string[], native: Native, version: string): Parsed {
	const tool = defineRun(native);
	const table = {...commonOptions, ...tool.options};
	let output = '';
	let failure: string | undefined;
	const parser = yargs()
		.scriptName('rsrun')
		.usage('Usage: $0 [options] -- command...\n\nRuns an unmodified program so that its TCP connections to other such programs on this host go through shared memory.')
		.parserConfiguration({
			'halt-at-non-option': true, 'boolean-negation': false, 'camel-case-expansion': false, 'duplicate-arguments-array': true,
		})
		.locale('en')
		.options(table)
		.example([...tool.examples ?? []].map(([line, text]) => [line, text] as [string, string]))
		.epilogue(settingsHelp(native.options()))
		.help()
		.alias('help', 'h')
		.version(version)
		.strictOptions()
		.wrap(null)
		.exitProcess(false)
		.fail(message => {
			failure = message;
		});
	const argv = parser.parse(spellReport(args), {}, (_error: unknown, _argv: unknown, text: string) => {
		output = text;
	}) as ParsedArgv;
	if (failure !== undefined) {
		throw explainFailure(failure, 'rsrun', {options: [...Object.keys(table), 'help', 'version'], commands: []});
	}

	if (output !== '') {
		return {output: `${output}\n`};
	}

	const [shell] = list(argv.completion);
	if (shell !== undefined) {
		return {output: completionScript('rsrun', shell as typeof shells[number], completionRequest)};
	}

	if (argv._.length === 0) {
		throw new CliError('no command was given', {code: 'usage', remedy: 'Write it after --, for example: rsrun -- redis-server. rsrun --help says more.'});
	}

	return {
		settings: [
			...list(argv.set).map(pair => checkSetting(pair, native)),
			...list(argv.transport).map(name => `transport=${name}`),
			...list(argv['log-level']).map(name => `log_level=${name}`),
		],
		configDirectory: list(argv['config-dir']).at(-1),
		profile: list(argv.profile).at(-1),
		rulesFile: list(argv.rules).at(-1),
		report: parseReport(list(argv.report).at(-1)),
		trace: list(argv.trace).at(-1),
		isDryRun: argv['dry-run'] !== undefined,
		isJson: argv.json !== undefined,
		commandLength: argv._.length,
	};
}

/** As yargs leaves it: a repeated option is an array. */
type ParsedArgv = {
	readonly _: readonly unknown[];
	readonly set?: string | readonly string[];
	readonly transport?: string | readonly string[];
	readonly 'log-level'?: string | readonly string[];
	readonly 'config-dir'?: string | readonly string[];
	readonly profile?: string | readonly string[];
	readonly rules?: string | readonly string[];
	readonly report?: string | readonly string[];
	readonly trace?: string | readonly string[];
	readonly completion?: string | readonly string[];
	readonly 'dry-run'?: boolean | readonly boolean[];
	readonly json?: boolean | readonly boolean[];
};

function list(value: string | readonly string[] | undefined): readonly string[] {
	return typeof value === 'string' ? [value] : value ?? [];
}

/** A bare --report must not take the command for its file. */
function spellReport(args: readonly string[]): string[] {
	const end = args.indexOf('--');
	return args.map((argument, index) => argument === '--report' && (end === -1 || index < end) ? '--report=' : argument);
}

function parseReport(text: string | undefined): ReportTarget | undefined {
	if (text === undefined) {
		return undefined;
	}

	const isJson = text === 'json' || text.startsWith('json:');
	const file = isJson ? text.slice('json:'.length) : text;
	return {file: file === '' ? undefined : file, isJson};
}

function settingsHelp(options: readonly Option[]): string {
	const rows = options.map(option => [`  ${option.name}`, describeDefault(option), describeRange(option), option.help]);
	return ['Settings (--set, or a file of that name in the configuration directory):', ...formatTable(['  name', 'default', 'range', ''], rows, new Set())].join('\n');
}
