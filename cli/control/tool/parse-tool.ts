/** The command line of a tool, by yargs. */
import yargs, {type Argv} from 'yargs';
import {explainFailure, type Known} from './explain-failure.js';
import {
	commonOptions, type Command, type OptionTable, type Tool,
} from './tool.js';

export type ParsedTool = {
	readonly command: Command;
	readonly args: Readonly<Record<string, unknown>>;
};

/** yargs takes a lone dash for an option without a name; no argument of a program can have this character. */
const dash = '\0';

/** What to do: run a command, or print `output` (help, version) and be done. Throws a CliError for anything else. */
export function parseTool(tool: Tool, args: readonly string[], version: string): ParsedTool | {readonly output: string} {
	let output = '';
	let failure: string | undefined;
	let known: Known = {options: [], commands: []};
	let chosen: ParsedTool | undefined;
	const choose = (command: Command, table: OptionTable) => (argv: Readonly<Record<string, unknown>>) => {
		chosen = {command, args: takeLast(argv, table)};
	};

	const note = (names: Known) => {
		known = names;
	};

	const options = {...commonOptions, ...tool.options};
	const parser = yargs()
		.scriptName(tool.name)
		.usage(`Usage: ${tool.usage ?? '$0 command [option...]'}\n\n${tool.description[0] ?? ''}`)
		.parserConfiguration({
			'boolean-negation': false, 'camel-case-expansion': false, 'greedy-arrays': false, 'parse-numbers': false,
			'parse-positional-numbers': false, 'populate--': true,
		})
		.locale('en')
		.options(options)
		.example([...tool.examples ?? []].map(([line, text]) => [line, text] as [string, string]))
		.help()
		.alias('help', 'h')
		.version(version)
		.wrap(null)
		.exitProcess(false)
		.fail((message, error) => {
			failure ??= message || error?.message;
		});
	addCommands(parser, {commands: [...tool.commands], options, choose, note});
	void parser.parse(args.map(argument => argument === '-' ? dash : argument), {}, (_error: unknown, _argv: unknown, text: string) => {
		output = text;
	});
	if (failure !== undefined) {
		throw explainFailure(failure.replaceAll(dash, '-'), tool.name, known);
	}

	if (chosen && output === '') {
		return chosen;
	}

	return {output: `${output}\n`};
}

/** Of an option that is no list and was given twice, the last one counts. */
function takeLast(argv: Readonly<Record<string, unknown>>, table: OptionTable): Record<string, unknown> {
	return Object.fromEntries(Object.entries(argv).map(([name, value]) => {
		const isOnce = table[name] !== undefined && table[name].array !== true;
		const taken: unknown = isOnce && Array.isArray(value) ? (value as unknown[]).at(-1) : value;
		return [name, Array.isArray(taken) ? taken.map(one => withDash(one)) : withDash(taken)];
	}));
}

function withDash(value: unknown): unknown {
	return value === dash ? '-' : value;
}

type Adding = {
	readonly commands: readonly Command[];
	/** The commands that these are below. */
	readonly above?: readonly string[];
	/** Of all levels above. */
	readonly options: OptionTable;
	readonly choose: (command: Command, table: OptionTable) => (argv: Readonly<Record<string, unknown>>) => void;
	readonly note: (known: Known) => void;
};

function addCommands(parser: Argv, {commands, above = [], options, choose, note}: Adding): void {
	const names = commands.map(command => commandName(command)).filter(name => name !== '$0');
	note({options: [...Object.keys(options), 'help', 'version'], commands: names, above});
	for (const command of commands) {
		parser.command(command.command, command.describe, child => {
			const below = {...options, ...command.options};
			const words = [...above, command.command].join(' ').replace('$0 ', '');
			note({...(command.run && {usage: words}), options: [...Object.keys(below), 'help', 'version'], commands: commandName(command) === '$0' ? names : []});
			for (const [name, positional] of Object.entries(command.positionals ?? {})) {
				child.positional(name, positional);
			}

			child.options(command.options ?? {}).example((command.examples ?? []).map(([line, text]) => [line, text] as [string, string]));
			if (command.commands) {
				addCommands(child, {
					commands: command.commands, above: [...above, commandName(command)], options: below, choose, note,
				});
			}

			return child;
		}, command.run ? choose(command, {...options, ...command.options}) : () => undefined);
	}

	parser.strict();
	if (!commands.some(command => commandName(command) === '$0')) {
		parser.demandCommand(1, 'No command was given.');
	}
}

/** `set` of `set <key> <value>`. */
export function commandName(command: Command): string {
	return command.command.split(' ', 1)[0] ?? '';
}
