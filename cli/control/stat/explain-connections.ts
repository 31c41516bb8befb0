/** The whole stories of connections, from both ends. */
import {type Native} from '../../native.js';
import {findOtherEnd} from './find-other-end.js';
import {findTarget} from './find-target.js';
import {findStory} from './find-trace.js';
import {takeSnapshot, type LiveConnection} from './take-snapshot.js';
import {type Story} from './tell-story.js';

/** With what to do about the reason of each end; undefined: the other end is not visible. */
export type ExplainedConnection = Story & {readonly remedy: string | undefined; readonly otherRemedy: string | undefined};

/** `text`: `PID:FD`, or an address of either end. Throws a CliError where there is none. */
export async function explainConnections(text: string, native: Native): Promise<ExplainedConnection[]> {
	const {connections} = takeSnapshot(native);
	const reasons = native.reasons();
	const remedyOf = ({reason}: LiveConnection): string | undefined => reasons.find(({code}) => code === reason)?.remedy;
	return tellStories(await findTarget(text, connections), connections, native).map(story => ({
		...story, remedy: remedyOf(story.end.connection), otherRemedy: story.other.kind === 'visible' ? remedyOf(story.other.connection) : undefined,
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
