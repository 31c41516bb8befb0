/** `rscheck matrix` */
import {writeFileSync} from 'node:fs';
import {availableParallelism, homedir} from 'node:os';
import path from 'node:path';
import process from 'node:process';
import {checkMatrix} from '../../control/check/check-matrix.js';
import {
	countStatuses, formatMatrix, formats, type Format, type Results,
} from '../../control/check/format-matrix.js';
import {installPackages} from '../../control/check/install-packages.js';
import {loadManifests, type Manifest} from '../../control/check/manifest.js';
import {modes} from '../../control/check/modes.js';
import {parseCount} from '../../control/check/parse-count.js';
import {Progress} from '../../control/check/progress.js';
import {countCells, type Plan} from '../../control/check/run-matrix.js';
import {checkSetting} from '../../control/check-setting.js';
import {CliError, exitCodes} from '../../control/cli-error.js';
import {defineCommand, type Context} from '../../control/tool/tool.js';
import {writeFully} from '../../control/write-fully.js';

const transports = ['auto', 'shm', 'tcp'] as const;

export const matrixCommand = defineCommand({
	command: 'matrix [apps...]',
	describe: 'Runs applications with and without the toolkit and compares what they do',
	description: [
		'Each application is described by a manifest (config/app.schema.json): how to start it, when it is ready, how to exercise it, what that must give on plain TCP, how to stop it. It is run on plain TCP, then with both ends, the server alone and the client alone under the toolkit, over each transport; every output and exit code must be the same. Programs that are not installed are skipped, and said to be.',
	],
	positionals: {apps: {type: 'string', array: true, describe: 'Names of our manifests, files, or directories of files; without: all of ours'}},
	options: {
		mode: {choices: modes, array: true, requiresArg: true, describe: 'Which ends run under the toolkit; all three if not said'},
		transport: {choices: transports, array: true, requiresArg: true, describe: 'Transports to go through; auto and tcp if not said'},
		set: {type: 'string', array: true, requiresArg: true, describe: 'A setting (key=value) for every run'},
		format: {choices: formats, default: 'table' as const, requiresArg: true, describe: 'What goes to standard output'},
		output: {type: 'string', array: true, requiresArg: true, describe: 'Also writes FORMAT:FILE'},
		jobs: {type: 'string', requiresArg: true, describe: 'Runs at once; as many as processors if not said'},
		retries: {type: 'string', default: '0', requiresArg: true, describe: 'How often a run that is not the same is tried again'},
		timeout: {type: 'string', default: '60', requiresArg: true, describe: 'Seconds that a step may take'},
		'npm-dir': {type: 'string', requiresArg: true, describe: 'Where npm packages are installed; ~/.cache/rsocket if not said'},
		'require-promotion': {type: 'boolean', describe: 'Fails when less is promoted than a manifest says'},
		'require-all': {type: 'boolean', describe: 'Fails when something is skipped'},
		install: {type: 'boolean', describe: 'Installs what is missing first, with apt-get (as root or by sudo) and npm'},
		list: {type: 'boolean', describe: 'Lists the applications'},
	},
	values: {
		output: () => formats.map(name => `${name}:\t`),
		set: ({native}) => native.options().map(({name, help}) => `${name}=\t${help}`),
	},
	examples: [
		['$0 matrix redis nginx', 'two applications'],
		['$0 matrix ./my-app.json --mode both', 'an application of your own'],
		['$0 matrix --install --output junit:results.xml --output html:matrix.html', 'everything, for continuous integration'],
	],
	json: '{version, startedAt, durationMs, machine, counts: {same, unpromoted, differs, broken, skipped}, cells[]: {app, mode, transport, status, durationMs, ends, promoted, reasons, differences[]: {step, what, expected, got}, why, attempts}}; with --list: {version, apps[]: {name, about, packages, promotes}}',
	exitCodes: [[0, 'Nothing differs from plain TCP.'], [1, 'Something differs, or does not work on plain TCP either.'], [125, 'Nothing was run, or not everything.']],
	complete: () => loadManifests([]).map(({name, about}) => `${name}\t${about}`),
	async run(args, context) {
		const manifests = loadManifests(args.apps ?? []);
		if (args.list === true) {
			printList(manifests, context);
			return 0;
		}

		const outputs = (args.output ?? []).map(text => parseOutput(text));
		const plan: Plan = {
			manifests, modes: [...new Set(args.mode ?? modes)], transports: [...new Set(args.transport ?? ['auto', 'tcp'])],
			settings: (args.set ?? []).map(pair => checkSetting(pair, context.native)),
			jobs: parseCount('jobs', args.jobs ?? String(availableParallelism()), 1), retries: parseCount('retries', args.retries, 0),
			path: context.env['PATH'] ?? '/usr/bin:/bin',
		};
		const npmDirectory = path.resolve(args['npm-dir'] ?? path.join(context.env['HOME'] ?? homedir(), '.cache', 'rsocket'));
		const stepTimeoutMs = parseCount('timeout', args.timeout, 1) * 1000;
		// Before an hour is spent on results that cannot be written.
		for (const {file} of outputs) {
			writeResults(file, '');
		}

		if (args.install === true) {
			await installPackages(manifests, {path: plan.path, npmDirectory, isRoot: process.getuid?.() === 0, signal: context.signal});
		}

		const results = await carryOut(plan, {npmDirectory, stepTimeoutMs}, context);
		for (const {format, file} of outputs) {
			writeResults(file, `${formatMatrix(results, format)}\n`);
		}

		context.print(formatMatrix(results, context.isJson ? 'json' : args.format, context.paint));
		return judge(results, {isPromotionRequired: args['require-promotion'] === true, isAllRequired: args['require-all'] === true}, context);
	},
});

type Requirements = {readonly isPromotionRequired: boolean; readonly isAllRequired: boolean};

/** The exit code. What was not run has not passed. */
function judge({cells}: Results, {isPromotionRequired, isAllRequired}: Requirements, context: Context): number {
	const {same, differs, broken, unpromoted, skipped} = countStatuses(cells);
	if (differs + broken > 0 || (isPromotionRequired && unpromoted > 0) || (isAllRequired && skipped > 0)) {
		return 1;
	}

	if (context.signal.aborted || same + unpromoted === 0) {
		context.warn(context.signal.aborted ? 'interrupted: not everything was run' : 'nothing was run');
		return exitCodes.failure;
	}

	return 0;
}

async function carryOut(plan: Plan, surroundings: {readonly npmDirectory: string; readonly stepTimeoutMs: number}, {native, signal}: Context): Promise<Results> {
	const progress = new Progress(countCells(plan), process.stderr.isTTY, text => {
		writeFully(2, text);
	});
	const results = await checkMatrix(plan, {...surroundings, native, signal}, cell => {
		progress.note(cell);
	});
	progress.end();
	return results;
}

function printList(manifests: readonly Manifest[], context: Context): void {
	if (context.isJson) {
		context.printJson({version: 1, apps: manifests.map(({name, about, packages, promotes}) => ({name, about, packages, promotes}))});
	} else {
		context.print(manifests.map(({name, about}) => `${name.padEnd(20)} ${about}`).join('\n'));
	}
}

function parseOutput(text: string): {format: Format; file: string} {
	const [name = '', ...rest] = text.split(':');
	const format = formats.find(candidate => candidate === name);
	const file = rest.join(':');
	if (!format || file === '') {
		throw new CliError(`"${text}" is not of the form FORMAT:FILE`, {code: 'output-form', remedy: `FORMAT is one of ${formats.join(', ')}.`});
	}

	return {format, file};
}

function writeResults(file: string, text: string): void {
	try {
		writeFileSync(file, text);
	} catch (error) {
		throw new CliError(`${file} cannot be written: ${error instanceof Error ? error.message : String(error)}`, {code: 'output', cause: error, remedy: 'Choose a file in a directory that exists and is yours.'});
	}
}
