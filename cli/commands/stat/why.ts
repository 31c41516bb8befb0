/** `rsstat why` */
import {findOtherEnd} from '../../control/stat/find-other-end.js';
import {findTarget} from '../../control/stat/find-target.js';
import {findStory} from '../../control/stat/find-trace.js';
import {takeSnapshot, type LiveConnection} from '../../control/stat/take-snapshot.js';
import {formatStory, remedyOf, type Story} from '../../control/stat/tell-story.js';
import {defineCommand, type Context} from '../../control/tool/tool.js';

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
		const {connections} = takeSnapshot(context.native);
		const stories = tellStories(await findTarget(text, connections), connections, context);
		const reasons = context.native.reasons();
		if (context.isJson) {
			context.printJson({
				version: 1,
				stories: stories.map(story => ({
					...story, remedy: remedyOf(story.end.connection, story.other, reasons),
					otherRemedy: story.other.kind === 'visible' ? remedyOf(story.other.connection, {kind: 'visible', connection: story.end.connection}, reasons) : undefined,
				})),
			});
		} else {
			context.print(stories.map(story => formatStory(story, reasons, context.paint)).join('\n\n'));
		}

		return 0;
	},
});

/** A pair of ends is one story, told from the end that was found first. */
function tellStories(found: readonly LiveConnection[], all: readonly LiveConnection[], {native}: Context): Story[] {
	const told = new Set<LiveConnection>();
	return found.flatMap(connection => {
		if (told.has(connection)) {
			return [];
		}

		const other = findOtherEnd(connection, all);
		if (other.kind === 'visible') {
			told.add(other.connection);
		}

		return [{
			end: {connection, events: findStory(connection.pid, connection.openedNs, native)},
			other,
			otherEvents: other.kind === 'visible' ? findStory(other.connection.pid, other.connection.openedNs, native) : [],
		}];
	});
}
