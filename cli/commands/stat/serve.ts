/** `rsstat serve` */
import {parseNumber} from '../../control/stat/select-connections.js';
import {defineCommand} from '../../control/tool/tool.js';

export const serveCommand = defineCommand({
	command: 'serve',
	describe: 'Serves metrics and a live page on 127.0.0.1, until interrupted',
	description: ['/ is a page with plots and a table, /metrics is for Prometheus, /snapshot.json for other programs. Whoever can connect to this host\'s loopback sees what the user of rsstat sees, as ss(8) shows everybody\'s connections.'],
	options: {port: {type: 'string', default: '9480', requiresArg: true, describe: 'Where it listens; 0 takes a free port'}},
	examples: [['$0 serve', 'then open http://127.0.0.1:9480/']],
	json: 'one object when it listens: {version, url}',
	async run({port}, context) {
		const number = parseNumber('port', port, 0, 65_535);
		// An HTTP server and its metrics are not for those who only look.
		const {serveStatistics} = await import('../../control/stat/serve-statistics.js');
		await serveStatistics(context.native, {
			port: number,
			signal: context.signal,
			onListening(listening) {
				const url = `http://127.0.0.1:${listening}/`;
				if (context.isJson) {
					context.printJsonLine({version: 1, url});
				} else {
					context.print(url);
				}
			},
		});
		return 0;
	},
});
