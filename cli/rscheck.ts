#!/usr/bin/env node
/** Main of rscheck(1). */
import type * as commands from './commands/check.js';
import type * as runTool from './control/tool/run-tool.js';
import {load, start} from './start.js';

await start('rscheck', async () => {
	const {main} = load('./control/tool/run-tool.js') as typeof runTool;
	const {checkTool} = load('./commands/check.js') as typeof commands;
	return main(checkTool);
});
