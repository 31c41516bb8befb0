/** The whole stories of connections, from both ends. */
import {type Native} from '../../native.js';
import {findOtherEnd} from './find-other-end.js';
import {findTarget} from './find-target.js';
import {findStory} from './find-trace.js';
import {takeSnapshot, type LiveConnection} from './take-snapshot.js';
import {remedyOf, type Story} from './tell-story.js';

/** With what to do about the reason of each end, or of the end that it waits for; undefined: the other end is not visible, or the library is of another version. */
export type ExplainedConnection = Story & {readonly remedy: string | undefined; readonly otherRemedy: string | undefined};

/** `text`: `PID:FD`, or an address of either end. Throws a CliError where there is none. */
export async function explainConnections(text: string, native: Native): Promise<ExplainedConnection[]> {
	const {connections} = takeSnapshot(native);
	const reasons = native.reasons();
	return tellStories(await findTarget(text, connections), connections, native).map(story => ({
		...story, remedy: remedyOf(story.end.connection, story.other, reasons),
		otherRemedy: story.other.kind === 'visible' ? remedyOf(story.other.connection, {kind: 'visible', connection: story.end.connection}, reasons) : undefined,
	}));
}

/** A pair of ends is one story, told from the end that was found first. */
function tellStories(found: readonly LiveConnection[], all: readonly LiveConnection[], native: Native): Story[] {
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
