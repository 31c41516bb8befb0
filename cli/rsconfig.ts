#!/usr/bin/env node
/** Main of rsconfig(1). */
import {configTool} from './commands/config.js';
import {main} from './control/tool/run-tool.js';

await main(configTool);
