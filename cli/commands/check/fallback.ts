/** `rscheck fallback` */
import {checkFallback, type Mix} from '../../control/check/check-fallback.js';
import {type Mode} from '../../control/check/modes.js';
import {parseCount} from '../../control/check/parse-count.js';
import {CliError} from '../../control/cli-error.js';
import {formatTable} from '../../control/format-table.js';
import {defineCommand, type Context} from '../../control/tool/tool.js';

const names: Readonly<Record<Mode, string>> = {plain: 'plain', both: 'both ends', server: 'server only', client: 'client only'};

export const fallbackCommand = defineCommand({
	command: 'fallback',
	describe: 'Runs a server and a client plain, both, and each alone under the toolkit, and compares',
	description: [
		'Written as: rscheck fallback -- server command -- client command. {port} in both is a free port. The server is ready once it listens; it is ended after the client. What the client writes to standard output and standard error, its exit code, and how the server ends must be the same in all four mixes; a client that does not end in time is a difference, on plain TCP too. What the server writes is not compared: it mostly tells times, ports and process numbers.',
	],
	options: {
		ignore: {type: 'string', array: true, requiresArg: true, describe: 'A regular expression: parts of the output that may differ'},
		set: {type: 'string', array: true, requiresArg: true, describe: 'A setting (key=value) for the preloaded ends'},
		timeout: {type: 'string', default: '60', requiresArg: true, describe: 'Seconds that the client may take'},
		'require-promotion': {type: 'boolean', describe: 'Fails when nothing is promoted with both ends under the toolkit'},
	},
	values: {set: ({native}) => native.options().map(({name, help}) => `${name}=\t${help}`)},
	examples: [['$0 fallback -- redis-server --port {port} -- redis-cli -p {port} ping', 'the four mixes of redis']],
	json: '{version, mixes[]: {mode, status, serverStatus, isSame, differences[], ends, promoted, reasons[]}, isSame}',
	exitCodes: [[0, 'All four are the same.'], [1, 'Something differs, or the client hangs; with --require-promotion: or nothing was promoted.']],
	async run(args, context) {
		const [server, client] = splitCommands(args['--'] ?? []);
		const mixes = await checkFallback({
			server, client, ignore: args.ignore ?? [], settings: args.set ?? [], stepTimeoutMs: parseCount('timeout', args.timeout, 1) * 1000,
			searchPath: context.env['PATH'] ?? '/usr/bin:/bin', native: context.native, signal: context.signal,
		});
		const isSame = mixes.every(mix => mix.isSame);
		if (context.isJson) {
			context.printJson({version: 1, mixes, isSame});
		} else {
			print(mixes, context);
		}

		if (mixes[0]?.status !== 0) {
			context.warn(`the client does not succeed on plain TCP either: ${mixes[0]?.status}`);
		}

		const isUnpromoted = args['require-promotion'] === true && !mixes.some(({mode, promoted}) => mode === 'both' && promoted > 0);
		if (isUnpromoted) {
			context.warn('nothing was promoted with both ends under the toolkit');
		}

		return isSame && !isUnpromoted ? 0 : 1;
	},
});

function splitCommands(words: readonly string[]): [string[], string[]] {
	const separator = words.indexOf('--');
	const server = words.slice(0, Math.max(0, separator));
	const client = words.slice(separator + 1);
	if (server.length === 0 || client.length === 0) {
		throw new CliError('two commands are needed', {code: 'usage', remedy: 'Write: rscheck fallback -- server command -- client command.'});
	}

	return [server, client];
}

function print(mixes: readonly Mix[], context: Context): void {
	const rows = mixes.map(({mode, status, isSame, differences, ends, promoted, reasons}) => [
		names[mode], String(status), mode === 'plain' && isSame ? 'oracle' : (isSame ? 'same' : differences.join(', ')), `${promoted}/${ends}`, reasons.join(', '),
	]);
	context.print(formatTable(['mix', 'exit code', 'compared', 'promoted', 'reasons'], rows, new Set()).join('\n'));
}
