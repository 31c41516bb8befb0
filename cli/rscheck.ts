#!/usr/bin/env node
/** Main of rscheck(1). */
import {checkTool} from './commands/check.js';
import {main} from './control/tool/run-tool.js';

await main(checkTool);
