/** rsstat inside this process. */
import type {ExecutionContext} from 'ava';
import {statTool} from '../../../cli/commands/stat.js';
import {type LiveConnection} from '../../../cli/control/stat/take-snapshot.js';
import {runToolHere, type ToolRun} from './run-tool.js';
import {startTalker, underToolkit, until, type Talker} from './talker.js';

export async function rsstat(...args: readonly string[]): Promise<ToolRun> {
	return runToolHere(statTool, args);
}

export async function listConnections(...args: readonly string[]): Promise<LiveConnection[]> {
	const {stdout} = await rsstat('--json', ...args);
	return (JSON.parse(stdout) as {connections: LiveConnection[]}).connections;
}

/** A talker with itself, once both of its ends are promoted in both directions. */
export async function startPromoted(t: ExecutionContext, env = {}, shell?: string): Promise<Talker & {readonly ends: readonly LiveConnection[]}> {
	const talker = await startTalker(t, {...underToolkit, PEER: 'self', ...env}, shell);
	const ends = await until(async () => {
		const connections = await listConnections('--pid', String(talker.pid));
		return connections.length === 2 && connections.every(({transport}) => transport === 'shm') ? connections : undefined;
	});
	return {...talker, ends};
}
