/** `rsstat why` */
import {explainConnections} from '../../control/stat/explain-connections.js';
import {takeSnapshot} from '../../control/stat/take-snapshot.js';
import {formatStory} from '../../control/stat/tell-story.js';
import {defineCommand} from '../../control/tool/tool.js';

export const whyCommand = defineCommand({
	command: 'why <connection>',
	describe: 'Tells the whole story of a connection: what carries it, why, and what to do',
	description: ['Of both ends where both are under the toolkit; of the other end what the kernel tells where only one is.'],
	positionals: {connection: {type: 'string', demandOption: true, describe: 'PID:FD as in the list, or an address of either end: 127.0.0.1:6379, [::1]:6379, :6379'}},
	examples: [['$0 why 4711:8', 'by process and descriptor'], ['$0 why :6379', 'every connection with that port']],
	json: '{version, stories: [{end: {connection, events}, remedy, other: {kind: "visible", "process", "hidden" or "elsewhere", connection, pid, program, hasLibrary}, otherEvents, otherRemedy}]}; connection as in the list, events as in trace',
	exitCodes: [[0, 'It was found.'], [1, 'There is no such connection, or it cannot be seen.']],
	complete: (_words, context) => takeSnapshot(context.native).connections.map(({pid, fd, program, peer}) => `${pid}:${fd}\t${program} ${peer}`),
	async run({connection: text}, context) {
		const stories = await explainConnections(text, context.native);
		if (context.isJson) {
			context.printJson({version: 1, stories});
		} else {
			const reasons = context.native.reasons();
			context.print(stories.map(story => formatStory(story, reasons, context.paint)).join('\n\n'));
		}

		return 0;
	},
});
