/** `rsstat`: one line a connection. */
import process from 'node:process';
import {setTimeout} from 'node:timers/promises';
import {formatConnections} from '../../control/stat/format-connections.js';
import {filterOptions, filterValues, judgeLook, look, parseFilter, type Filter} from '../../control/stat/select-connections.js';
import {type Snapshot} from '../../control/stat/take-snapshot.js';
import {parseSeconds} from '../../control/stat/parse-seconds.js';
import {defineCommand, type Context} from '../../control/tool/tool.js';

/** Where the terminal does not tell its height. */
const rowsUsual = 40;

export const listCommand = defineCommand({
	command: '$0',
	describe: 'Lists the connections of every process under the toolkit',
	description: [
		'One line a connection, as each process sees it: two lines where both ends are under the toolkit on this host. MSGS are calls that moved bytes; WAKES are waits that slept in the kernel while the connection was promoted, SPINS those that ended while they still spun.',
		'Processes of other users, and those that have changed their user since they were started, are shown to root only, as the kernel has it. Reading costs the processes nothing: they are not stopped, asked or woken, and with a process its figures are gone.',
	],
	options: {
		...filterOptions,
		watch: {type: 'boolean', describe: 'Looks again and again, until interrupted; on a terminal in place'},
		interval: {type: 'string', default: '1', requiresArg: true, describe: 'Seconds between two looks of --watch'},
		prometheus: {type: 'boolean', describe: 'Prints metrics in the text format of Prometheus, of the processes and connections that the filters leave'},
	},
	values: filterValues,
	examples: [
		['$0', 'everything that you may see'],
		['$0 --watch --port 6379', 'a live table of the connections to redis'],
		['$0 --transport tcp --json', 'what is not accelerated, for programs'],
		['$0 --prometheus >/var/lib/node_exporter/rsocket.prom', 'for the node exporter'],
	],
	json: '{version, time, connections: [{pid, program, fd, role: "accepted" or "connected", local, peer, state, transport, send: {transport, bytes, shmBytes, calls}, recv: the same, reason, isPromoted, openedAt, openedNs, promotedAt, ageSeconds, sleeps, spins}], unreadable: [pid]}; with --watch one such object a line',
	async run(args, context) {
		const filter = parseFilter(args, context.native.reasons());
		if (args.prometheus) {
			// Its module is not for those who only look.
			const {formatMetrics} = await import('../../control/stat/export-metrics.js');
			context.print(await formatMetrics(look(filter, context.native)));
			return judgeLook(filter, context.warn);
		}

		if (!args.watch) {
			print(look(filter, context.native), context);
			return judgeLook(filter, context.warn);
		}

		await watch(filter, parseSeconds('interval', args.interval), context);
		return 0;
	},
});

function print({time, connections, unreadable}: Snapshot, context: Context): void {
	if (context.isJson) {
		context.printJson({version: 1, time, connections, unreadable});
		return;
	}

	context.print(connections.length === 0 ? 'No connection under the toolkit can be seen.' : formatConnections(connections, context.paint).join('\n'));
	warnUnreadable(unreadable, context);
}

function warnUnreadable(unreadable: readonly number[], context: Context): void {
	if (unreadable.length > 0) {
		context.warn(`${unreadable.length} ${unreadable.length === 1 ? 'process' : 'processes'} cannot be read (${unreadable.join(', ')}): run rsstat as root`);
	}
}

async function watch(filter: Filter, seconds: number, context: Context): Promise<void> {
	while (!context.signal.aborted) {
		const snapshot = look(filter, context.native);
		if (context.isJson) {
			const {time, connections, unreadable} = snapshot;
			context.printJsonLine({version: 1, time, connections, unreadable});
		} else {
			context.print(frame(snapshot, context));
		}

		try {
			// eslint-disable-next-line no-await-in-loop -- one look after the other
			await setTimeout(seconds * 1000, undefined, {signal: context.signal});
		} catch {
			// Interrupted: the loop's condition knows.
		}
	}
}

/** On a terminal each line is written over the last frame's, so that nothing flickers; long ones are cut, not wrapped. */
function frame({time, connections}: Snapshot, {isTerminal, paint}: Context): string {
	// Head, columns, the line that counts the rest, and the cursor's.
	const shown = isTerminal ? connections.slice(0, Math.max(1, (process.stdout.rows ?? rowsUsual) - 4)) : connections;
	const promoted = connections.filter(({isPromoted}) => isPromoted).length;
	const head = `${new Date(time).toTimeString().slice(0, 8)}  ${connections.length} connection ${connections.length === 1 ? 'end' : 'ends'}, ${promoted} promoted`;
	const rest = connections.length > shown.length ? [`(${connections.length - shown.length} more)`] : [];
	const lines = [head, ...formatConnections(shown, paint), ...rest];
	return isTerminal ? `\u{1B}[?7l\u{1B}[H${lines.join('\u{1B}[K\n')}\u{1B}[K\u{1B}[J\u{1B}[?7h\n` : `${lines.join('\n')}\n\n`;
}
