#!/usr/bin/env node
/** Main of rsstat(1). */
import type * as commands from './commands/stat.js';
import type * as runTool from './control/tool/run-tool.js';
import {load, start} from './start.js';

await start('rsstat', async () => {
	const {main} = load('./control/tool/run-tool.js') as typeof runTool;
	const {statTool} = load('./commands/stat.js') as typeof commands;
	return main(statTool);
});
