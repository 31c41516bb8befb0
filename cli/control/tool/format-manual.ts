/** The manual page of a tool, in man(7), from its definition. */
import {type Options} from 'yargs';
import {completionCommand} from './complete-words.js';
import {commandName} from './parse-tool.js';
import {
	commonOptions, type Command, type OptionTable, type Tool,
} from './tool.js';

/** `date` as 2026-11-21. */
export function formatManual(tool: Tool, version: string, date: string): string {
	const {name, summary, usage, description, options = {}, commands, examples = [], exitCodes, sections = [], files = [], environment = [], seeAlso = [], arguments: values = {}} = tool;
	const lines = [
		String.raw`.\" written by scripts/check.d/man.mjs from cli/commands: change it there`,
		`.TH ${name.toUpperCase()} 1 ${date} "rsocket accelerator ${version}" "User Commands"`,
		'.SH NAME', String.raw`${escape(name)} \- ${escape(summary)}`,
		'.SH SYNOPSIS', ...usage === undefined ? [`.B ${escape(name)}`, '.RI [ option ...]', '.I command', '.RI [ argument ...]'] : [escape(withName(usage, name))],
		'.SH DESCRIPTION', ...paragraphs(description),
		...commands.length === 0 ? [] : ['.SH COMMANDS', ...[...commands, completionCommand(name)].flatMap(command => describeCommand(command, name, []))],
		'.SH OPTIONS', ...commands.length === 0 ? [] : ['Every command understands:'], ...describeOptions({...commonOptions, ...options}, values),
		...item('--help', commands.length === 0 ? 'Shows options, examples and settings.' : 'Shows help; after a command, that of the command.'), ...item('--version', 'Shows the version.'),
		...sections.flatMap(([head, texts]) => [`.SH ${head}`, ...paragraphs(texts)]),
		'.SH EXIT STATUS', ...exitCodes.flatMap(([code, text]) => item(String(code), text)),
		...section('FILES', files), ...section('ENVIRONMENT', environment),
		...section('EXAMPLES', examples.map(([line, text]) => [withName(line, name), text])),
		...seeAlso.length === 0 ? [] : ['.SH SEE ALSO', ...seeAlso.map((page, index) => `.BR ${escape(page).replace('(', ' (')}${index < seeAlso.length - 1 ? ',' : ''}`)],
	];
	return `${lines.join('\n')}\n`;
}

function describeCommand(command: Command, tool: string, above: readonly string[]): string[] {
	const own = commandName(command) === '$0' ? '' : command.command;
	const words = [...above, own].filter(Boolean).join(' ');
	if (command.commands) {
		return ['.SS', `${escape(words)}`, ...paragraphs([`${command.describe}.`]), ...command.commands.flatMap(child => describeCommand(child, tool, [...above, commandName(command)]))];
	}

	return [
		'.SS', escape(words === '' ? `(${tool} alone)` : words),
		...paragraphs([withStop(command.describe), ...command.description ?? []]),
		...Object.entries(command.positionals ?? {}).flatMap(([name, positional]) => item(command.command.includes(`<${name}`) ? `<${name}>` : `[${name}]`, `${withStop(positional.describe ?? '')}${choicesOf(positional)}`)),
		...describeOptions(command.options ?? {}),
		...(command.exitCodes ?? []).flatMap(([code, text]) => item(`exit status ${code}`, text)),
		...command.json === undefined ? [] : item('with --json', withStop(command.json)),
		...(command.examples ?? []).flatMap(([line, text]) => item(withName(line, tool), text)),
	];
}

function describeOptions(table: OptionTable, values: Readonly<Record<string, string>> = {}): string[] {
	return Object.entries(table).filter(([, option]) => option.hidden !== true).flatMap(([name, option]) => {
		const shown = values[name] ?? name.replaceAll(/^.*-/g, '').toUpperCase();
		const value = option.type === 'boolean' ? '' : `${shown.startsWith('[') ? '' : ' '}${shown}`;
		const aliases = [option.alias ?? []].flat().map(alias => `, ${alias.length === 1 ? '-' : '--'}${alias}`).join('');
		const initial = option.default === undefined ? '' : ` Default: ${String(option.default)}.`;
		return item(`--${name}${aliases}${value}`, `${withStop(option.describe ?? '')}${choicesOf(option)}${initial}`);
	});
}

function choicesOf({choices}: Pick<Options, 'choices'>): string {
	return choices === undefined ? '' : ` One of ${choices.map(String).join(', ')}.`;
}

function section(head: string, rows: ReadonlyArray<readonly [string, string]>): string[] {
	return rows.length === 0 ? [] : [`.SH ${head}`, ...rows.flatMap(([term, text]) => item(term, text))];
}

function item(term: string, text: string): string[] {
	return ['.TP', `.B "${escape(term).replaceAll('"', String.raw`\(dq`)}"`, escape(text)];
}

function paragraphs(texts: ReadonlyArray<string | readonly [string, string]>): string[] {
	return texts.flatMap((text, index) => typeof text === 'string' ? [...index === 0 ? [] : ['.PP'], escape(text)] : item(text[0], text[1]));
}

function withName(text: string, name: string): string {
	return text.replaceAll('$0', name);
}

function withStop(text: string): string {
	return /[.:)}\]]$/.test(text) || text === '' ? text : `${text}.`;
}

/** Backslashes, dashes, and what a line must not begin with. */
function escape(text: string): string {
	return text.replaceAll('\\', String.raw`\e`).replaceAll('-', String.raw`\-`).replaceAll(/^([.'])/gm, String.raw`\&$1`);
}
