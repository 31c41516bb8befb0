/** The definition of rscheck(1). */
import {type Tool} from '../control/tool/tool.js';
import {appCommand} from './check/app.js';
import {envCommand} from './check/env.js';
import {fallbackCommand} from './check/fallback.js';
import {liveCommand} from './check/live.js';
import {matrixCommand} from './check/matrix.js';

export const checkTool: Tool = {
	name: 'rscheck',
	summary: 'check whether programs and machines can be accelerated, and that nothing else changes',
	description: ['Answers, before and while programs run under rsrun: would this program be accelerated, is this machine ready, would that peer promote, and does an application behave as on plain TCP.'],
	commands: [appCommand, envCommand, liveCommand, fallbackCommand, matrixCommand],
	exitCodes: [
		[0, 'Yes: nothing stands in the way, nothing differs.'],
		[1, 'No; each command says what that means.'],
		[125, 'The command could not be carried out: bad arguments, a missing program, a broken manifest.'],
	],
	seeAlso: ['rsrun(1)', 'rsconfig(1)', 'rsstat(1)'],
};
