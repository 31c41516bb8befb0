/** The definition of rsstat(1). */
import {type Tool} from '../control/tool/tool.js';
import {listCommand} from './stat/list.js';
import {serveCommand} from './stat/serve.js';
import {summaryCommand} from './stat/summary.js';
import {traceCommand} from './stat/trace.js';
import {whyCommand} from './stat/why.js';

export const statTool: Tool = {
	name: 'rsstat',
	summary: 'show what carries the connections of running programs, and why',
	description: ['Shows the connections of every process under the toolkit while it runs: what carries each of them, why, and what that saves. Your own processes; all of them for root.'],
	usage: '$0 [command] [option...]',
	commands: [listCommand, whyCommand, summaryCommand, traceCommand, serveCommand],
	exitCodes: [
		[0, 'Done, also where there is nothing to show.'],
		[1, 'What was asked for is not there.'],
		[125, 'The command could not be carried out: bad arguments, no permission, a missing file.'],
	],
	environment: [['RSOCKET_TRACE', 'In the environment of the observed program: the file that outlives it, see trace.']],
	seeAlso: ['rsrun(1)', 'rscheck(1)', 'rsconfig(1)', 'ss(8)'],
};
