/** Runs a tool from its arguments to its exit code. */
import {readFileSync} from 'node:fs';
import process from 'node:process';
import {loadNative, type Native} from '../../native.js';
import {CliError, exitCodes} from '../cli-error.js';
import {describeError} from '../describe-error.js';
import {writeFully} from '../write-fully.js';
import {completeWords, completionCommand} from './complete-words.js';
import {completionRequest} from './completion-script.js';
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

/** The main of a bin; returns its exit code. SIGINT, SIGTERM and the end of whoever reads its output end an endless command in order; a second signal ends the process. */
export async function main(tool: Tool): Promise<number> {
	const controller = new AbortController();
	let isHandled = false;
	const abort = (): void => {
		controller.abort();
	};

	return runTool(tool, process.argv.slice(2), {
		env: process.env, isTerminal: process.stdout.isTTY,
		// Only who asks for it ends by it: a read that blocks would never notice, and is ended by the signal itself.
		get signal() {
			if (!isHandled) {
				isHandled = true;
				process.once('SIGINT', abort).once('SIGTERM', abort);
			}

			return controller.signal;
		},
		write(fd, text) {
			if (!writeFully(fd, text) && fd === 1) {
				controller.abort();
			}
		},
	});
}

/** Never throws for what a user did; returns the exit code. */
export async function runTool(definition: Tool, args: readonly string[], surroundings: Surroundings): Promise<number> {
	const tool = definition.commands.length === 0 ? definition : {...definition, commands: [...definition.commands, completionCommand(definition.name)]};
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
		surroundings.write(2, describeError(error, tool.name, {isJson: context.isJson, isDebug: own.includes('--debug')}));
		return error instanceof CliError ? error.exitCode : exitCodes.failure;
	}
}

function makeContext(tool: Tool, isJson: boolean, surroundings: Surroundings): Context {
	let native: Native | undefined;
	const {env, isTerminal} = surroundings;
	const write = (fd: 1 | 2, text: string): void => {
		surroundings.write(fd, text);
	};

	return {
		get native() {
			native ??= loadNative();
			return native;
		},
		get signal() {
			return surroundings.signal;
		},
		isJson, isTerminal, env,
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

function packageVersion(): string {
	const {version} = JSON.parse(readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8')) as {version: string};
	return version;
}
