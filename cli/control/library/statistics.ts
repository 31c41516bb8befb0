/** What rsstat(1) shows, as values. */
import process from 'node:process';
import {loadNative} from '../../native.js';
import {explainConnections, type ExplainedConnection} from '../stat/explain-connections.js';
import {
	readFileTraces, requireProcessTraces, traceDirectories, type EventLog,
} from '../stat/find-trace.js';
import {summarize, type Summary} from '../stat/summarize.js';
import {takeSnapshot, type LiveConnection, type Snapshot} from '../stat/take-snapshot.js';

export const stats = {
	/** Everything that the user of this process may see, at this moment; `pids`: of these processes only. */
	snapshot({pids}: {readonly pids?: readonly number[]} = {}): Snapshot {
		return takeSnapshot(loadNative(), {pids});
	},

	/** Only the connections. */
	connections(options: {readonly pids?: readonly number[]} = {}): readonly LiveConnection[] {
		return stats.snapshot(options).connections;
	},

	summary(snapshot: Snapshot = stats.snapshot()): Summary {
		return summarize(snapshot);
	},

	/**
	The whole story of a connection (`PID:FD`, or an address of either end) from both ends. Throws a CliError where there is none.

	@example
	```
	const [story] = await stats.why('127.0.0.1:6379');
	console.log(story?.end.connection.reason, story?.remedy);
	```
	*/
	async why(connection: string): Promise<ExplainedConnection[]> {
		return explainConnections(connection, loadNative());
	},

	/** The last events of a process (a pid; of a dead one, where its trace file is in a usual place), or from a trace file or a core (a path). Throws a CliError where there are none. */
	trace(source: number | string): EventLog[] {
		const native = loadNative();
		return typeof source === 'number' ? requireProcessTraces(source, native, traceDirectories(process.env)) : readFileTraces(source, native);
	},

	/** The text format of Prometheus. */
	async metrics(snapshot: Snapshot = stats.snapshot()): Promise<string> {
		const {formatMetrics} = await import('../stat/export-metrics.js');
		return formatMetrics(snapshot);
	},
};
