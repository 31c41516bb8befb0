/** What rsrun does once its command line is understood. */
import {statSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import {CliError} from '../control/cli-error.js';
import {describeConnection} from '../control/describe-connection.js';
import {Environment} from '../control/environment.js';
import {
	findObstacle, ownMachine, type Obstacle, type System,
} from '../control/find-obstacle.js';
import {findProgram} from '../control/find-program.js';
import {formatReport, formatReportJson} from '../control/format-report.js';
import {type OwnProcess} from '../control/own-process.js';
import type * as launchFiles from '../control/launch-files.js';
import {prepareEnvironment} from '../control/prepare-environment.js';
import {quote} from '../control/quote.js';
import {fromRaw, type Raw} from '../control/raw.js';
import {ReportFile, type Report} from '../control/report-file.js';
import {replaceProcess, superviseChild, type Launch} from '../control/start-program.js';
import {writeFully} from '../control/write-fully.js';
import {preloadLibrary, type ExitStatus, type Native} from '../native.js';
import {load} from '../start.js';
import {type ReportTarget, type RunOptions} from './parse-run.js';

/** More rows than this make a terminal unreadable. */
const terminalRowsMax = 100;

/** Returns only after --dry-run and --report. */
export function run(parsed: RunOptions, own: OwnProcess, native: Native): ExitStatus {
	const options = resolveFiles(parsed, native);
	checkFile(preloadLibrary, 'isFile', {code: 'not-built', remedy: 'Run npm run build.'});
	if (options.configDirectory !== undefined) {
		checkFile(options.configDirectory, 'isDirectory', {code: 'config-dir', remedy: 'Give a directory that holds one file a setting.'});
	}

	if (options.trace !== undefined) {
		checkFile(path.dirname(path.resolve(options.trace)), 'isDirectory', {code: 'trace', remedy: 'Give a file in a directory that exists.'});
	}

	const argv = own.args.slice(-options.commandLength);
	const program = findProgram(argv[0] ?? ('' as Raw), own.environment.get('PATH'));
	const obstacle = findObstacle(program, systemOf(own, native));
	if (obstacle) {
		writeFully(2, `rsrun: ${obstacle.path} ${obstacle.description}. It runs without the toolkit, on plain TCP.\n`);
	}

	const launch = {path: program, argv, inherited: own.inherited};
	if (options.isDryRun) {
		const environment = prepare(own, options, obstacle, options.report && '(made at the start)');
		writeFully(1, options.isJson ? describeLaunchJson({...launch, environment}, own.environment, obstacle) : describeLaunch({...launch, environment}, own.environment));
		return {code: 0};
	}

	if (options.report) {
		return runWithReport(options.report, native, reportPath => superviseChild({...launch, environment: prepare(own, options, obstacle, reportPath)}, native));
	}

	return replaceProcess({...launch, environment: prepare(own, options, obstacle, undefined)}, native);
}

/** What is started: everything but the command line is resolved. */
type Resolved = RunOptions & {readonly rules: string | undefined};

/** The modules that read profiles and rules cost more time than all the rest of a start: they are loaded when asked for. */
function resolveFiles(options: RunOptions, native: Native): Resolved {
	const {profile, rulesFile, settings} = options;
	if (profile === undefined && rulesFile === undefined) {
		return {...options, rules: undefined};
	}

	const {profileSettings, rulesVariable} = load('./control/launch-files.js') as typeof launchFiles;
	return {
		...options,
		settings: [...profile === undefined ? [] : profileSettings(profile, native), ...settings],
		rules: rulesFile === undefined ? undefined : rulesVariable(rulesFile, native),
	};
}

function checkFile(file: string, test: 'isFile' | 'isDirectory', details: {code: string; remedy: string}): void {
	if (!statSync(file, {throwIfNoEntry: false})?.[test]()) {
		throw new CliError(`${file} is not a ${test === 'isFile' ? 'file' : 'directory'}`, details);
	}
}

function systemOf(own: OwnProcess, native: Native): System {
	return {
		lookUp(name) {
			try {
				return findProgram(name, own.environment.get('PATH'));
			} catch {
				return undefined;
			}
		},
		hasCapabilities: file => native.hasCapabilities(file),
		uid: process.getuid?.() ?? -1,
		gid: process.getgid?.() ?? -1,
		machine: ownMachine(),
	};
}

/** Where the library cannot work it is not preloaded either: musl's linker would refuse to start the program. */
function prepare(own: OwnProcess, options: Resolved, obstacle: Obstacle | undefined, reportPath: string | undefined): Environment {
	const environment = new Environment(own.environment.toList());
	if (!obstacle) {
		prepareEnvironment(environment, {
			library: preloadLibrary,
			settings: options.settings,
			configDirectory: options.configDirectory && path.resolve(options.configDirectory),
			rules: options.rules,
			reportPath,
			tracePath: options.trace === undefined ? undefined : path.resolve(options.trace),
		});
	}

	return environment;
}

/** Lines that a shell understands. */
function describeLaunch(launch: Launch, before: Environment): string {
	const assignments = launch.environment.changesFrom(before).map(string => quote(fromRaw(string)).replace(/^'(\w+=)/, '$1\''));
	const [, ...rest] = launch.argv;
	const command = [launch.path, ...rest].map(word => quote(fromRaw(word))).join(' ');
	return [...assignments.map(assignment => `${assignment} \\`), command].map(line => `${line}\n`).join('');
}

function describeLaunchJson({path: file, argv, environment}: Launch, before: Environment, obstacle: Obstacle | undefined): string {
	const pairs = environment.changesFrom(before).map(string => fromRaw(string).split(/=(.*)/s).slice(0, 2) as [string, string]);
	return `${JSON.stringify({version: 1, path: fromRaw(file), argv: argv.map(word => fromRaw(word)), environment: Object.fromEntries(pairs), obstacle: obstacle ?? null}, undefined, '\t')}\n`;
}

/** The temporary file is gone before anything is written, and whatever signal comes. */
function runWithReport(target: ReportTarget, native: Native, supervise: (reportPath: string) => ExitStatus): ExitStatus {
	let status: ExitStatus;
	let report: Report;
	native.relayBegin();
	try {
		const file = new ReportFile(native);
		try {
			status = supervise(file.path);
			report = file.read();
		} finally {
			file.remove();
		}
	} finally {
		native.relayEnd();
	}

	writeReport(report, target, native);
	return status;
}

function writeReport({connections: records, dropped}: Report, {file, isJson}: ReportTarget, native: Native): void {
	const reasons = native.reasons();
	const connections = records.map(record => describeConnection(record, reasons));
	const text = isJson
		? formatReportJson(connections, dropped, reasons)
		: formatReport(connections, dropped, reasons, file === undefined ? terminalRowsMax : undefined);
	if (file === undefined) {
		writeFully(2, text);
		return;
	}

	try {
		writeFileSync(file, text);
	} catch (error) {
		writeFully(2, `rsrun: the report cannot be written to ${file}: ${error instanceof Error ? error.message : String(error)}\n`);
	}
}
