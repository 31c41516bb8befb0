/** Runs a tool inside this process, as its bin would. */
import process from 'node:process';
import {runTool} from '../../../cli/control/tool/run-tool.js';
import {type Tool} from '../../../cli/control/tool/tool.js';

export type ToolRun = {readonly code: number; readonly stdout: string; readonly stderr: string};

type Options = {
	readonly env?: Readonly<Record<string, string | undefined>>;
	readonly isTerminal?: boolean;
	readonly signal?: AbortSignal;
	/** Called with each piece of standard output. */
	readonly onOutput?: (text: string) => void;
};

/** Without colours, unless `env` and `isTerminal` say otherwise. */
export async function runToolHere(tool: Tool, args: readonly string[], {env, isTerminal = false, signal = new AbortController().signal, onOutput}: Options = {}): Promise<ToolRun> {
	const written = {1: '', 2: ''};
	const code = await runTool(tool, args, {
		env: {...process.env, NO_COLOR: undefined, ...env}, isTerminal, signal,
		write(fd, text) {
			written[fd] += text;
			if (fd === 1) {
				onOutput?.(text);
			}
		},
	});
	return {code, stdout: written[1], stderr: written[2]};
}
