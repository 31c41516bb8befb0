/** `rscheck fallback` */
import {withLibrary} from '../../control/check/borrow-library.js';
import {findListeningPort} from '../../control/check/find-owner.js';
import {findMissing, searchPath} from '../../control/check/find-missing.js';
import {type Mode} from '../../control/check/modes.js';
import {Stage, type Ended} from '../../control/check/stage.js';
import {parseCount} from '../../control/check/parse-count.js';
import {firstDifference, withoutIgnored} from '../../control/check/perform.js';
import {checkSetting} from '../../control/check-setting.js';
import {CliError} from '../../control/cli-error.js';
import {type Connection} from '../../control/describe-connection.js';
import {formatTable} from '../../control/format-table.js';
import {defineCommand, type Context} from '../../control/tool/tool.js';

type Mix = {
	readonly mode: Mode;
	readonly status: number | string;
	/** How the server ended when it was told to. */
	readonly serverStatus: number | string;
	readonly isSame: boolean;
	readonly differences: readonly string[];
	readonly ends: number;
	readonly promoted: number;
	readonly reasons: readonly string[];
};

const allMixes: readonly Mode[] = ['plain', 'both', 'server', 'client'];
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
		const path = searchPath({}, context.env['PATH'] ?? '/usr/bin:/bin');
		const missing = findMissing({
			name: 'fallback', about: '', packages: {}, start: [{run: server, ready: {}}], exercise: [{name: 'client', run: client}], verify: {}, promotes: 1,
		}, path, '');
		if (missing !== undefined) {
			throw new CliError(missing, {code: 'not-found', remedy: 'Check the spelling, install the program, or give its path.', exitCode: 127});
		}

		const ignore = (args.ignore ?? []).map(text => checkPattern(text));
		const settings = (args.set ?? []).map(pair => checkSetting(pair, context.native)).join(',');
		const stepTimeoutMs = parseCount('timeout', args.timeout, 1) * 1000;
		const mixes = await withLibrary(async library => runMixes({
			server, client, ignore, open: async mode => Stage.open({
				mode, settings, library, native: context.native, ports: {port: 0}, words: {}, searchPath: path, stopSignal: 'SIGTERM',
				readyTimeoutMs: 30_000, stepTimeoutMs, signal: context.signal,
			}),
		}));
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

function checkPattern(text: string): string {
	try {
		return new RegExp(text, 'gmu').source;
	} catch (error) {
		throw new CliError(`"${text}" is no regular expression`, {code: 'pattern', cause: error, remedy: 'See the syntax of JavaScript; quote it for the shell.'});
	}
}

type Run = {
	readonly server: readonly string[];
	readonly client: readonly string[];
	readonly ignore: readonly string[];
	readonly open: (mode: Mode) => Promise<Stage>;
};

async function runMixes({server, client, ignore, open}: Run): Promise<Mix[]> {
	const mixes: Mix[] = [];
	let oracle: Result | undefined;
	for (const mode of allMixes) {
		// eslint-disable-next-line no-await-in-loop
		const stage = await open(mode);
		try {
			// eslint-disable-next-line no-await-in-loop
			await serve(stage, server);
			// eslint-disable-next-line no-await-in-loop
			const ended = await stage.run('client', {run: client});
			stopIfAborted(stage);
			// eslint-disable-next-line no-await-in-loop
			await stage.stop();
			// eslint-disable-next-line no-await-in-loop
			const [serverStatus = 'unknown'] = await stage.endings();
			const result = {...ended, serverStatus, stdout: withoutIgnored(ended.stdout, ignore), stderr: withoutIgnored(ended.stderr, ignore)};
			oracle ??= result;
			mixes.push(describeMix(mode, result, oracle, stage.connections()));
		} finally {
			// eslint-disable-next-line no-await-in-loop
			await stage.close();
		}
	}

	return mixes;
}

async function serve(stage: Stage, run: readonly string[]): Promise<void> {
	try {
		await stage.serveAnywhere({run}, findListeningPort);
	} catch (error) {
		stopIfAborted(stage);
		throw new CliError(error instanceof Error ? error.message : String(error), {code: 'server', cause: error, remedy: 'The server must stay in the foreground and listen on TCP.'});
	}
}

function stopIfAborted({options: {signal}}: Stage): void {
	if (signal.aborted) {
		throw new CliError('interrupted', {code: 'interrupted', remedy: 'Nothing was compared to the end.'});
	}
}

type Result = Ended & {readonly serverStatus: number | string};

function describeMix(mode: Mode, result: Result, oracle: Result, connections: readonly Connection[]): Mix {
	const {status, serverStatus} = result;
	const differences = [
		...(status === 'hangs' ? ['the client does not end'] : []),
		...(status === oracle.status ? [] : [`exit code ${status} instead of ${oracle.status}`]),
		...(serverStatus === oracle.serverStatus ? [] : [`the server ends with ${serverStatus} instead of ${oracle.serverStatus}`]),
		...(['stdout', 'stderr'] as const).filter(name => result[name] !== oracle[name]).map(name => describeOutput(name, oracle[name], result[name])),
	];
	return {
		mode, status, serverStatus, isSame: differences.length === 0, differences, ends: connections.length,
		promoted: connections.filter(({isPromoted}) => isPromoted).length, reasons: [...new Set(connections.map(({reason}) => reason))],
	};
}

function describeOutput(name: 'stdout' | 'stderr', expected: string, got: string): string {
	const lines = firstDifference(expected, got);
	return `${name === 'stdout' ? 'output' : 'standard error'} ${lines.got} instead of ${lines.expected.replace(/^line \d+: /, '')}`;
}

function print(mixes: readonly Mix[], context: Context): void {
	const rows = mixes.map(({mode, status, isSame, differences, ends, promoted, reasons}) => [
		names[mode], String(status), mode === 'plain' && isSame ? 'oracle' : (isSame ? 'same' : differences.join(', ')), `${promoted}/${ends}`, reasons.join(', '),
	]);
	context.print(formatTable(['mix', 'exit code', 'compared', 'promoted', 'reasons'], rows, new Set()).join('\n'));
}
