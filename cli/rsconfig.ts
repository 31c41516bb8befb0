#!/usr/bin/env node
/** Main of rsconfig(1). */
import type * as commands from './commands/config.js';
import type * as runTool from './control/tool/run-tool.js';
import {load, start} from './start.js';

await start('rsconfig', async () => {
	const {main} = load('./control/tool/run-tool.js') as typeof runTool;
	const {configTool} = load('./commands/config.js') as typeof commands;
	return main(configTool);
});
