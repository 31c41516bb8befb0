/** What may follow on a command line, for the shells' completion. */
import {completionRequest, completionScript, shells} from './completion-script.js';
import {commandName} from './parse-tool.js';
import {
	commonOptions, defineCommand, type Command, type Context, type OptionTable, type Tool, type ValueTable,
} from './tool.js';

export function completionCommand(tool: string): Command {
	return defineCommand({
		command: 'completion <shell>',
		describe: 'Prints a completion script for a shell',
		positionals: {shell: {choices: shells, demandOption: true, describe: 'Which shell'}},
		examples: [['source <($0 completion bash)', 'completion in this shell']],
		run({shell}, context) {
			context.print(completionScript(tool, shell, completionRequest));
			return 0;
		},
	});
}

/** Lines of a word, a tab and what it is. No line: the shell completes file names. */
export function completeWords(tool: Tool, words: readonly string[], context: Context): string[] {
	const unfinished = words.at(-1) ?? '';
	const finished = words.slice(0, -1);
	if (finished.includes('--')) {
		return [];
	}

	const place = descend(tool, finished);
	const [, name = '', begin] = /^--([\w-]+)=(.*)$/s.exec(unfinished) ?? [];
	if (begin !== undefined) {
		return valuesOf(name, place, context).filter(line => line.startsWith(begin)).map(line => `--${name}=${line}`);
	}

	const previous = finished.at(-1) ?? '';
	if (takesValue(previous, place.options)) {
		return valuesOf(previous.slice(2), place, context).filter(line => line.startsWith(unfinished));
	}

	const lines = candidates(place, context);
	const wantsOption = unfinished.startsWith('-');
	return lines.filter(line => line.startsWith(unfinished) && line.startsWith('-') === wantsOption);
}

type Place = {
	readonly commands: readonly Command[];
	readonly command: Command | undefined;
	readonly options: OptionTable;
	readonly values: ValueTable;
	/** The arguments of `command` so far. */
	readonly rest: readonly string[];
};

/** Follows the names of commands as far as there are any. */
function descend(tool: Tool, words: readonly string[]): Place {
	let {commands} = tool;
	let command = commands.find(candidate => commandName(candidate) === '$0');
	let options: OptionTable = {...commonOptions, ...tool.options, ...command?.options};
	let values: ValueTable = {...tool.values, ...command?.values};
	let rest: string[] = [];
	for (const word of words.filter((candidate, index) => !isOptionOrValue(candidate, words[index - 1], options))) {
		const next = rest.length === 0 ? commands.find(candidate => commandName(candidate) === word) : undefined;
		if (next) {
			command = next;
			commands = next.commands ?? [];
			options = {...options, ...next.options};
			values = {...values, ...next.values};
			rest = [];
		} else {
			rest.push(word);
		}
	}

	return {commands: rest.length === 0 ? commands : [], command, options, values, rest};
}

function isOptionOrValue(word: string, previous: string | undefined, options: OptionTable): boolean {
	return word.startsWith('-') || takesValue(previous, options);
}

function takesValue(word: string | undefined, options: OptionTable): boolean {
	const option = word?.startsWith('--') ? options[word.slice(2)] : undefined;
	return option !== undefined && option.type !== 'boolean';
}

function valuesOf(name: string, {options, values}: Place, context: Context): string[] {
	return [...(options[name]?.choices ?? []).map(choice => `${String(choice)}\t`), ...(values[name]?.(context) ?? [])];
}

function candidates({commands, command, options, rest}: Place, context: Context): string[] {
	const positional = Object.values(command?.positionals ?? {})[rest.length];
	return [
		...commands.filter(candidate => commandName(candidate) !== '$0').map(candidate => `${commandName(candidate)}\t${candidate.describe}`),
		...(positional?.choices ?? []).map(choice => `${String(choice)}\t`),
		...(command?.complete?.(rest, context) ?? []),
		...Object.entries(options).map(([name, option]) => `--${name}\t${option.describe ?? ''}`),
		'--help\tShows help',
	];
}
