/** Runs a tool from its arguments to its exit code. */
import {readFileSync} from 'node:fs';
import process from 'node:process';
import {loadNative, type Native} from '../../native.js';
import {CliError, exitCodes} from '../cli-error.js';
import {writeFully} from '../write-fully.js';
import {completeWords, completionCommand, completionRequest} from './complete-words.js';
import {choosePaint} from './paint.js';
import {parseTool} from './parse-tool.js';
import {type Context, type Tool} from './tool.js';

/** The world around a tool; tests bring their own. */
export type Surroundings = {
	readonly env: Readonly<Record<string, string | undefined>>;
	readonly isTerminal: boolean;
	readonly signal: AbortSignal;
	write(fd: 1 | 2, text: string): void;
};

/** The main of a bin. SIGINT, SIGTERM and the end of whoever reads its output end an endless command in order; a second signal ends the process. */
export async function main(tool: Tool): Promise<void> {
	const controller = new AbortController();
	for (const name of ['SIGINT', 'SIGTERM'] as const) {
		process.once(name, () => {
			controller.abort();
		});
	}

	process.exitCode = await runTool(tool, process.argv.slice(2), {
		env: process.env, isTerminal: process.stdout.isTTY, signal: controller.signal,
		write(fd, text) {
			if (!writeFully(fd, text) && fd === 1) {
				controller.abort();
			}
		},
	});
}

/** Never throws for what a user did; returns the exit code. */
export async function runTool(definition: Tool, args: readonly string[], surroundings: Surroundings): Promise<number> {
	const tool = {...definition, commands: [...definition.commands, completionCommand(definition.name)]};
	const separator = args.indexOf('--');
	const own = separator === -1 ? args : args.slice(0, separator);
	const context = makeContext(tool, own.includes('--json'), surroundings);
	try {
		if (args[0] === completionRequest) {
			context.print(completeWords(tool, args.slice(1), context).join('\n'));
			return 0;
		}

		const parsed = parseTool(tool, args, packageVersion());
		if ('output' in parsed) {
			context.print(parsed.output);
			return 0;
		}

		return await (parsed.command.run?.(parsed.args, context) ?? 0);
	} catch (error) {
		surroundings.write(2, describeError(error, tool.name, context.isJson, own.includes('--debug')));
		return error instanceof CliError ? error.exitCode : exitCodes.failure;
	}
}

function makeContext(tool: Tool, isJson: boolean, {env, isTerminal, signal, write}: Surroundings): Context {
	let native: Native | undefined;
	return {
		get native() {
			native ??= loadNative();
			return native;
		},
		isJson, isTerminal, env, signal,
		paint: choosePaint(isTerminal, env),
		print(text) {
			write(1, text === '' || text.endsWith('\n') ? text : `${text}\n`);
		},
		printJson(value) {
			write(1, `${JSON.stringify(value, undefined, '\t')}\n`);
		},
		printJsonLine(value) {
			write(1, `${JSON.stringify(value)}\n`);
		},
		warn(text) {
			write(2, `${tool.name}: ${text}\n`);
		},
	};
}

/** What is no CliError is a bug of ours: it is told as one, with its trace on request. */
function describeError(error: unknown, tool: string, isJson: boolean, isDebug: boolean): string {
	const known = error instanceof CliError
		? error
		: new CliError(`internal error: ${error instanceof Error ? error.message : String(error)}`, {
			code: 'internal', cause: error, remedy: 'Please report it, with what --debug shows.',
		});
	const {code, message, remedy, details} = known;
	const stack = isDebug ? traces(error) : undefined;
	return isJson
		? `${JSON.stringify({error: {code, message, remedy, ...(details && {details}), ...(stack && {stack})}}, undefined, '\t')}\n`
		: `${tool}: ${message}\n${remedy}\n${stack === undefined ? '' : `${stack}\n`}`;
}

function traces(error: unknown): string {
	return error instanceof Error
		? `${error.stack ?? error.message}${error.cause === undefined ? '' : `\nCaused by: ${traces(error.cause)}`}`
		: String(error);
}

function packageVersion(): string {
	const {version} = JSON.parse(readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8')) as {version: string};
	return version;
}
