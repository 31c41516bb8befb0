#!/usr/bin/env node
/** Main of rsstat(1). */
import {statTool} from './commands/stat.js';
import {main} from './control/tool/run-tool.js';

await main(statTool);
