/** `rsstat trace` */
import {readFileTraces, requireProcessTraces, traceDirectories} from '../../control/stat/find-trace.js';
import {formatLog} from '../../control/stat/format-trace.js';
import {takeSnapshot} from '../../control/stat/take-snapshot.js';
import {defineCommand} from '../../control/tool/tool.js';

export const traceCommand = defineCommand({
	command: 'trace <source>',
	describe: 'Shows the last events of a process\'s connections, also after its death',
	description: [
		'Every process under the toolkit keeps the last 256 events of its connections: opened, promoted, refused and why, returned to TCP, failed, reset, closed. They can be read while it lives. After a crash they are in its core; and in a file, if RSOCKET_TRACE=FILE was in its environment: each process then writes to FILE.PID, or, where FILE contains %p, to that name with its pid in it. The file is there whatever killed the process; it is never overwritten nor removed; rsrun --trace FILE sets the variable. By the pid of a dead process it is found where RSOCKET_TRACE here would put it, in this directory, and in the temporary ones.',
	],
	positionals: {source: {type: 'string', demandOption: true, describe: 'A pid; or a file that rsrun --trace (RSOCKET_TRACE) made, or a core'}},
	examples: [['$0 trace 4711', 'of a living process'], ['rsrun --trace /var/tmp/trace -- ./server; $0 trace /var/tmp/trace.4711', 'of a dead one'], ['$0 trace core.4711', 'from a core']],
	json: '{version, traces: [{pid, program, since, total, events: [{time, timeNs, pid, fd, localPort, peerPort, kind: opened, reason, send-shm, recv-shm, send-returned, recv-returned, error, reset or closed, reason, error, value, openedNs}]}]}',
	complete: (_words, context) => takeSnapshot(context.native).processes.map(({pid, program}) => `${pid}\t${program}`),
	run({source}, context) {
		const traces = /^\d+$/.test(source) ? requireProcessTraces(Number(source), context.native, traceDirectories(context.env)) : readFileTraces(source, context.native);
		if (context.isJson) {
			context.printJson({version: 1, traces});
		} else {
			context.print(traces.map(log => formatLog(log, context.native.reasons())).join('\n\n'));
		}

		return 0;
	},
});
