/** Every tool of the package that is made of a definition: for the manual pages. */
import {type Tool} from '../control/tool/tool.js';
import {checkTool} from './check.js';
import {configTool} from './config.js';
import {statTool} from './stat.js';

export const tools: readonly Tool[] = [checkTool, configTool, statTool];
