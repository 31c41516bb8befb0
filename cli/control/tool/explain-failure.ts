/** Makes a CliError of what yargs says about a command line. */
import {CliError} from '../cli-error.js';
import {findNearest} from '../find-nearest.js';

export type Known = {
	/** Without dashes. */
	readonly options: readonly string[];
	readonly commands: readonly string[];
	/** The commands above `commands`: `rules`. */
	readonly above?: readonly string[];
	/** How the command is written, if there is one: `set <key> <value>`. */
	readonly usage?: string;
};

export function explainFailure(message: string, tool: string, known: Known): CliError {
	return new CliError(oneSentence(message), {code: 'usage', remedy: suggest(message, tool, known)});
}

/** yargs puts each sentence on lines of its own. */
function oneSentence(message: string): string {
	return message.split('\n').map(line => line.trim()).filter(Boolean).join(' ').replace(/^[A-Z](?![A-Z])/, letter => letter.toLowerCase());
}

/** An unknown word may have been meant as a command or as an option: yargs calls it an argument either way. */
function suggest(message: string, tool: string, {options, commands, above = [], usage}: Known): string {
	if (usage !== undefined && message.startsWith('Not enough non-option arguments')) {
		return `Write: ${tool} ${usage}. ${tool} ${usage.replace(/ ?[<[].*/, '')} --help says more.`.replace(/  +/, ' ');
	}

	const unknown = /Unknown (?:argument|command)s?: ([^\s,]+)/.exec(message)?.[1];
	const nearest = unknown === undefined ? undefined : findNearest(unknown, [...commands, ...options]);
	if (nearest === undefined) {
		return `${[tool, ...above].join(' ')} --help lists all ${commands.length > 0 ? 'commands and options' : 'options'}.`;
	}

	return `Did you mean ${commands.includes(nearest) ? '' : '--'}${nearest}?`;
}
