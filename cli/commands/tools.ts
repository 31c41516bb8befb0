/** Every tool of the package that is made of a definition: for the manual pages. */
import {type Tool} from '../control/tool/tool.js';
import {type Native} from '../native.js';
import {checkTool} from './check.js';
import {configTool} from './config.js';
import {defineRun} from './define-run.js';
import {statTool} from './stat.js';

export function listTools(native: Native): Tool[] {
	return [checkTool, configTool, defineRun(native), statTool];
}
