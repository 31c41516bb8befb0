#!/usr/bin/env node
/** Main of rsstat(1). */
import {load, start} from './start.js';

await start('rsstat', async () => {
	const {main} = load('./control/tool/run-tool.js') as typeof import('./control/tool/run-tool.js');
	const {statTool} = load('./commands/stat.js') as typeof import('./commands/stat.js');
	return main(statTool);
});
