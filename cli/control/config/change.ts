/** Carries out a change of a directory of settings, or only tells it. */
import {type Context} from '../tool/tool.js';
import {type Changes, writeDirectory} from './write-directory.js';

/** What --json says of a change. */
type ChangeJson = {readonly file: string; readonly before: string | null; readonly after: string | null};

export const dryRunOption = {'dry-run': {type: 'boolean', describe: 'Tells what would be written, and writes nothing'}} as const;

/** `before`: the content of the files now. Files that would stay as they are are left alone. */
export function carryOut(directory: string, changes: Changes, before: ReadonlyMap<string, string | undefined>, {isDryRun, context}: {readonly isDryRun: boolean; readonly context: Context}): void {
	const real = new Map([...changes].filter(([name, content]) => before.get(name) !== content));
	if (!isDryRun && real.size > 0) {
		writeDirectory(directory, real, context.native);
	}

	const list: ChangeJson[] = [...real].map(([name, content]) => ({file: `${directory}/${name}`, before: before.get(name) ?? null, after: content ?? null}));
	if (context.isJson) {
		context.printJson({version: 1, isDryRun, changes: list});
	} else if (list.length === 0) {
		context.print('Nothing to change.');
	} else {
		context.print(list.map(change => formatChange(change, isDryRun)).join('\n'));
	}
}

function formatChange({file, before, after}: ChangeJson, isDryRun: boolean): string {
	if (after === null) {
		return `${file}: ${isDryRun ? 'would be removed' : 'removed'}`;
	}

	const lines = after.split('\n').filter(Boolean);
	const shown = lines.length === 1 && lines[0] !== undefined ? lines[0] : `${lines.length} lines`;
	return `${file}: ${isDryRun ? 'would become' : ''}${isDryRun ? ' ' : ''}${shown}${before === null ? '' : ` (was ${summary(before)})`}`;
}

function summary(text: string): string {
	const lines = text.split('\n').filter(Boolean);
	return lines.length === 1 && lines[0] !== undefined ? lines[0] : `${lines.length} lines`;
}

/** The content of the settings' files, as carryOut compares it. */
export function contentsOf({values, rules, preload, profile}: {readonly values: ReadonlyMap<string, string>; readonly rules: string | undefined; readonly preload: string | undefined; readonly profile: string | undefined}): Map<string, string | undefined> {
	return new Map<string, string | undefined>([
		...[...values].map(([name, value]) => [name, `${value}\n`] as const),
		['rules', rules], ['preload_config', preload], ['applied_profile', profile === undefined ? undefined : `${profile}\n`],
	]);
}
