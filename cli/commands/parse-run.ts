/** The command line of rsrun. */
import yargs from 'yargs';
import {checkSetting, describeDefault, describeRange} from '../control/check-setting.js';
import {CliError} from '../control/cli-error.js';
import {findNearest} from '../control/find-nearest.js';
import {formatTable} from '../control/format-table.js';
import {type Native, type Option} from '../native.js';

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
	readonly isDryRun: boolean;
	/** How many of the last arguments are the command. */
	readonly commandLength: number;
};

/** What to do: run, or print `output` (help, version) and be done. */
export type Parsed = RunOptions | {readonly output: string};

const examples: Array<[string, string]> = [
	['$0 -- redis-server --port 7000', 'a server; its connections speed up once clients run under rsrun too'],
	['$0 -- redis-benchmark -p 7000', 'such a client'],
	['$0 --report -- ./app', 'says at the end what carried each connection, and why'],
	['$0 --report=json:report.json -- ./app', 'the same for programs'],
	['$0 --set polling_time=0 -- ./app', 'never spins: least processor time'],
	['$0 --profile latency -- ./app', 'a set of settings for one purpose; rsconfig profiles lists them'],
	['$0 --transport tcp -- ./app', 'everything as without the toolkit'],
	['$0 --dry-run -- ./app', 'shows what would be started, and how'],
];

export function parseRun(args: readonly string[], native: Native, version: string): Parsed {
	const options = native.options();
	let output = '';
	let failure: string | undefined;
	const parser = yargs()
		.scriptName('rsrun')
		.usage('Usage: $0 [options] -- command...\n\nRuns an unmodified program so that its TCP connections to other such programs on this host go through shared memory.')
		.parserConfiguration({
			'halt-at-non-option': true, 'boolean-negation': false, 'camel-case-expansion': false, 'duplicate-arguments-array': true,
		})
		.option('transport', {choices: enumNames(options, 'transport'), requiresArg: true, describe: 'What may carry connections'})
		.option('set', {
			type: 'string', array: false, requiresArg: true, describe: 'Gives a setting (key=value) a value; may be repeated',
		})
		.option('profile', {type: 'string', requiresArg: true, describe: 'Gives settings the values of a profile, or of a file like one; --set is stronger'})
		.option('rules', {type: 'string', requiresArg: true, describe: 'Obeys this file of rules instead of the one that is installed'})
		.option('config-dir', {type: 'string', requiresArg: true, describe: 'Directory of settings instead of /etc/rdma/rsocket'})
		.option('report', {type: 'string', describe: 'At exit tells what carried each connection: to standard error, to FILE (--report=FILE), or as JSON (--report=json:FILE)'})
		.option('log-level', {choices: enumNames(options, 'log_level'), requiresArg: true, describe: 'What the library writes to standard error'})
		.option('dry-run', {type: 'boolean', describe: 'Prints the environment and arguments it would use'})
		.example(examples)
		.epilogue(settingsHelp(options))
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
		throw new CliError(explainFailure(failure), {code: 'usage', remedy: suggest(failure)});
	}

	if (output !== '') {
		return {output: `${output}\n`};
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
		isDryRun: argv['dry-run'] !== undefined,
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
	readonly 'dry-run'?: boolean | readonly boolean[];
};

const optionNames = ['transport', 'set', 'profile', 'rules', 'config-dir', 'report', 'log-level', 'dry-run', 'help', 'version'];

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

/** yargs puts each sentence on lines of its own. */
function explainFailure(message: string): string {
	return message.split('\n').map(line => line.trim()).filter(Boolean).join(' ').replace(/^[A-Z](?![A-Z])/, letter => letter.toLowerCase());
}

function suggest(message: string): string {
	const unknown = /Unknown arguments?: ([^\s,]+)/.exec(message)?.[1];
	const nearest = unknown === undefined ? undefined : findNearest(unknown, optionNames);
	return nearest ? `Did you mean --${nearest}?` : 'rsrun --help lists all options.';
}

function enumNames(options: readonly Option[], name: string): string[] {
	return options.find(option => option.name === name)?.values.split('|') ?? [];
}

function settingsHelp(options: readonly Option[]): string {
	const rows = options.map(option => [`  ${option.name}`, describeDefault(option), describeRange(option), option.help]);
	return ['Settings (--set, or a file of that name in the configuration directory):', ...formatTable(['  name', 'default', 'range', ''], rows, new Set())].join('\n');
}
