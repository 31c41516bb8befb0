/** Carries out a change of a directory of settings, or only tells it. */
import {type Native} from '../../native.js';
import {fromRaw, type Raw} from '../raw.js';
import {type Context} from '../tool/tool.js';
import {type Edit} from './edits.js';
import {writeDirectory} from './write-directory.js';

/** One file that changes; null: there is none, before or after. */
export type Change = {readonly file: string; readonly before: string | null; readonly after: string | null};

export const dryRunOption = {'dry-run': {type: 'boolean', describe: 'Tells what would be written, and writes nothing'}} as const;

/** All or nothing. Files that would stay as they are are left alone. */
export function perform({directory, changes, before}: Edit, {isDryRun = false, native}: {readonly isDryRun?: boolean; readonly native: Native}): Change[] {
	const real = new Map([...changes].filter(([name, content]) => before.get(name) !== content));
	if (!isDryRun && real.size > 0) {
		writeDirectory(directory, real, native);
	}

	return [...real].map(([name, content]) => ({file: `${directory}/${name}`, before: readable(before.get(name)), after: readable(content)}));
}

/** Files have one character a byte. */
export function readable(content: string | undefined): string | null {
	return content === undefined ? null : fromRaw(content as Raw);
}

/** For commands: performs, and tells. */
export function carryOut(edit: Edit, {isDryRun, context}: {readonly isDryRun: boolean; readonly context: Context}): void {
	const list = perform(edit, {isDryRun, native: context.native});
	if (context.isJson) {
		context.printJson({version: 1, isDryRun, changes: list});
	} else if (list.length === 0) {
		context.print('Nothing to change.');
	} else {
		context.print(list.map(change => formatChange(change, isDryRun)).join('\n'));
	}
}

function formatChange({file, before, after}: Change, isDryRun: boolean): string {
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

/** The content of the settings' files, as `perform` compares it. */
export function contentsOf({values, rules, preload, profile}: {readonly values: ReadonlyMap<string, string>; readonly rules: string | undefined; readonly preload: string | undefined; readonly profile: string | undefined}): Map<string, string | undefined> {
	return new Map<string, string | undefined>([
		...[...values].map(([name, value]) => [name, `${value}\n`] as const),
		['rules', rules], ['preload_config', preload], ['applied_profile', profile === undefined ? undefined : `${profile}\n`],
	]);
}
