#!/usr/bin/env node
/** Main of rscheck(1). */
import {load, start} from './start.js';

await start('rscheck', async () => {
	const {main} = load('./control/tool/run-tool.js') as typeof import('./control/tool/run-tool.js');
	const {checkTool} = load('./commands/check.js') as typeof import('./commands/check.js');
	return main(checkTool);
});
