/** Runs rsconfig on a directory of its own, inside this process. */
import {readdirSync, readFileSync, existsSync} from 'node:fs';
import path from 'node:path';
import {configTool} from '../../../cli/commands/config.js';
import {runToolHere, type ToolRun} from './run-tool.js';

const clean = {RSOCKET_SET: undefined, RSOCKET_RULES: undefined, RSOCKET_CONFIG_DIR: undefined};

type Options = Parameters<typeof runToolHere>[2];

export async function runConfig(directory: string, args: readonly string[], options: Options = {}): Promise<ToolRun> {
	return runToolHere(configTool, ['--dir', directory, ...args], {...options, env: {...clean, ...options.env}});
}

export async function runConfigJson<Value>(directory: string, args: readonly string[], options: Options = {}): Promise<Value> {
	const {stdout} = await runConfig(directory, [...args, '--json'], options);
	return JSON.parse(stdout) as Value;
}

/** File names and contents; empty: no such directory. */
export function contentsOf(directory: string): Record<string, string> {
	const names = existsSync(directory) ? readdirSync(directory).toSorted() : [];
	return Object.fromEntries(names.map(name => [name, readFileSync(path.join(directory, name), 'latin1')]));
}
