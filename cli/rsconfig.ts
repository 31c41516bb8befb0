#!/usr/bin/env node
/** Main of rsconfig(1). */
import {load, start} from './start.js';

await start('rsconfig', async () => {
	const {main} = load('./control/tool/run-tool.js') as typeof import('./control/tool/run-tool.js');
	const {configTool} = load('./commands/config.js') as typeof import('./commands/config.js');
	return main(configTool);
});
