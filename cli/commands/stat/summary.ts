/** `rsstat summary` */
import {formatSummary, summarize} from '../../control/stat/summarize.js';
import {filterOptions, filterValues, judgeLook, look, parseFilter} from '../../control/stat/select-connections.js';
import {defineCommand} from '../../control/tool/tool.js';

export const summaryCommand = defineCommand({
	command: 'summary',
	describe: 'Counts connections by transport, reason and program',
	examples: [['$0 summary', 'is it on, and where not?']],
	options: filterOptions,
	values: filterValues,
	json: '{version, time, processes, connections, promoted, transports: {NAME: count}, reasons: {CODE: count}, programs: {NAME: {connections, promoted}}, open: {sentBytes, receivedBytes, shmBytes, sentMessages, receivedMessages}, ended: the same and {connections, promoted}, sleeps, spins, dropped}; ended: of connections that ended in processes that still live',
	run(args, context) {
		const filter = parseFilter(args, context.native.reasons());
		const snapshot = look(filter, context.native);
		const summary = summarize(snapshot);
		if (context.isJson) {
			context.printJson({version: 1, time: snapshot.time, ...summary});
		} else {
			context.print(formatSummary(summary, context.native.reasons()));
		}

		return judgeLook(filter, context.warn);
	},
});
