/** `rsconfig preload`: the entries of rdma-core's preload_config. */
import {carryOut, dryRunOption} from '../../control/config/change.js';
import {readChosen, refuse} from '../../control/config/choose-directory.js';
import {editPreloadText} from '../../control/config/edits.js';
import {formatPreloadConfig, parsePreloadConfig, parsePreloadLine, preloadWords, type PreloadEntry} from '../../control/config/preload-config.js';
import {otherFiles, type Directory} from '../../control/config/read-directory.js';
import {CliError} from '../../control/cli-error.js';
import {formatTable} from '../../control/format-table.js';
import {defineCommand, type Command, type Context} from '../../control/tool/tool.js';

const changeJson = '{version, isDryRun, changes: [{file, before, after}]}; before and after are null where there is no file';
const program = {type: 'string', demandOption: true, describe: 'How the program\'s name begins, in any case, without directory; * is every program'} as const;
const word = (kind: keyof typeof preloadWords) => ({type: 'string', describe: `One of *, ${preloadWords[kind].join(', ')}; as in C too (AF_INET, SOCK_STREAM)`} as const);
const kinds = ['domain', 'type', 'protocol'] as const;

const listCommand = defineCommand({
	command: 'list',
	describe: 'Lists the entries',
	json: '{version, file, entries: [{line, program, domain, type, protocol}], faults: [{file, line, message, remedy}]}',
	exitCodes: [[1, 'There are faults; they are printed, one a line.']],
	run(args, context) {
		const {file, entries, faults} = read(readChosen(args, context));
		if (context.isJson) {
			context.printJson({version: 1, file, entries, faults});
			return faults.length > 0 ? 1 : 0;
		}

		const rows = entries.map(entry => [String(entry.line), entry.program, entry.domain, entry.type, entry.protocol]);
		context.print(rows.length === 0 ? `${file}: no entries.` : formatTable(['LINE', 'PROGRAM', 'DOMAIN', 'TYPE', 'PROTOCOL'], rows, new Set(['LINE'])).join('\n'));
		for (const fault of faults) {
			context.warn(`${fault.file}:${fault.line}: ${fault.message}. ${fault.remedy}`);
		}

		return faults.length > 0 ? 1 : 0;
	},
});

const addCommand = defineCommand({
	command: 'add <program> <domain> <type> <protocol>',
	describe: 'Adds an entry at the end, unless it is there',
	positionals: {program, domain: {...word('domain'), demandOption: true}, type: {...word('type'), demandOption: true}, protocol: {...word('protocol'), demandOption: true}},
	options: dryRunOption,
	examples: [['$0 preload add nginx INET STREAM \'*\'', 'its TCP sockets over IPv4']],
	json: changeJson,
	complete: completeKinds,
	run(args, context) {
		const entry = parsePreloadLine([args.program, args.domain, args.type, args.protocol].join(' '));
		if ('message' in entry) {
			throw new CliError(entry.message, {code: 'preload', remedy: `${entry.remedy} Nothing was changed.`});
		}

		const directory = readChosen(args, context);
		const text = sound(directory);
		const isThere = read(directory).entries.some(other => formatPreloadConfig([other]) === formatPreloadConfig([entry]));
		write(directory, isThere ? text : `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${formatPreloadConfig([entry])}`, {isDryRun: args['dry-run'] === true, context});
		return 0;
	},
});

const removeCommand = defineCommand({
	command: 'remove <program> [domain] [type] [protocol]',
	describe: 'Removes the entries of a program, or those of them that are so',
	positionals: {program, domain: word('domain'), type: word('type'), protocol: word('protocol')},
	options: dryRunOption,
	json: changeJson,
	exitCodes: [[1, 'There is no such entry.']],
	complete: completeKinds,
	run(args, context) {
		const directory = readChosen(args, context);
		const lines = sound(directory).split('\n');
		// Written as they are in the file: AF_INET is INET.
		const wanted = parsePreloadLine([args.program, ...kinds.map(kind => args[kind] ?? '*')].join(' '));
		if ('message' in wanted) {
			throw new CliError(wanted.message, {code: 'preload', remedy: `${wanted.remedy} Nothing was changed.`});
		}

		const gone = new Set(read(directory).entries
			.filter(entry => entry.program === wanted.program && kinds.every(kind => args[kind] === undefined || entry[kind] === wanted[kind])).map(({line}) => line));
		if (gone.size === 0) {
			throw new CliError(`there is no entry ${[args.program, ...kinds.map(kind => args[kind]).filter(Boolean)].join(' ')}`, {code: 'no-entry', exitCode: 1, remedy: 'rsconfig preload list shows them all.'});
		}

		write(directory, lines.filter((_, index) => !gone.has(index + 1)).join('\n'), {isDryRun: args['dry-run'] === true, context});
		return 0;
	},
});

export const preloadCommand: Command = {
	command: 'preload',
	describe: 'Lists, adds and removes entries of rdma-core\'s preload_config',
	commands: [listCommand, addCommand, removeCommand],
};

function completeKinds(words: readonly string[]): string[] {
	const kind = kinds[words.length - 1];
	return kind === undefined ? [] : ['*', ...preloadWords[kind]].map(name => `${name}\t`);
}

function read(directory: Directory): {readonly file: string; readonly entries: ReadonlyArray<PreloadEntry & {readonly line: number}>; readonly faults: ReturnType<typeof parsePreloadConfig>['faults']} {
	const file = `${directory.path}/${otherFiles.preload}`;
	const {entries, faults} = parsePreloadConfig(directory.preload ?? '', file);
	// Also that the file could not be read at all.
	return {file, entries, faults: directory.preload === undefined ? directory.faults.filter(fault => fault.file === file) : faults};
}

/** The text as it is, comments and all; throws where it has faults. */
function sound(directory: Directory): string {
	refuse(read(directory).faults, 'Nothing was changed: mend these first.');
	return directory.preload ?? '';
}

/** A file without a line is no file. */
function write(directory: Directory, text: string, how: {readonly isDryRun: boolean; readonly context: Context}): void {
	carryOut(editPreloadText(directory, text.trim() === '' ? undefined : text), how);
}
