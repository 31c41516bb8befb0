/** What each change of a directory of settings would write. Nothing is written here: `carryOut` does, or only tells. */
import {type Native} from '../../native.js';
import {profileKeys, readProfile} from '../profiles/profiles.js';
import {compileRules} from '../rules/compile-rules.js';
import {type Rules} from '../rules/parse-rules.js';
import {contentsOf} from './change.js';
import {refuse} from './choose-directory.js';
import {documentToChanges} from './document.js';
import {findOption, parseValue} from './parse-value.js';
import {formatPreloadConfig, type PreloadEntry} from './preload-config.js';
import {otherFiles, type Directory} from './read-directory.js';
import {type ConfigurationJson} from './schema.js';
import {type Changes} from './write-directory.js';

export type Edit = {
	/** Path of the directory. */
	readonly directory: string;
	readonly changes: Changes;
	/** The files now; what stands in those that are faulty is not told. */
	readonly before: ReadonlyMap<string, string | undefined>;
};

export type SettingValues = Readonly<Record<string, number | string | undefined>>;

/** Undefined puts a setting back to its default, a malformed one too. */
export function editSettings(directory: Directory, values: SettingValues, native: Native): Edit {
	const changes = new Map(Object.entries(values).map(([name, value]) => {
		const option = findOption(name, native);
		return [option.name, value === undefined ? undefined : `${parseValue(option, String(value), native)}\n`] as const;
	}));
	return {directory: directory.path, changes, before: withFaulty(directory, [...changes].flatMap(([name, content]) => content === undefined ? [name] : []))};
}

/** `name`: of a profile, or its file. Settings that profiles are about and this one leaves open go back to their defaults. */
export function editByProfile(directory: Directory, name: string, native: Native): Edit {
	const profile = readProfile(name, native);
	return {
		directory: directory.path,
		changes: new Map<string, string | undefined>([
			...profileKeys(native).map(key => [key, undefined] as const),
			...[...profile.settings].map(([key, value]) => [key, `${value}\n`] as const),
			[otherFiles.profile, `${profile.name}\n`],
		]),
		before: contentsOf(directory),
	};
}

/** What the document does not have is removed. */
export function editByDocument(directory: Directory, document: ConfigurationJson, native: Native): Edit {
	const changes = documentToChanges(document, native);
	return {directory: directory.path, changes, before: withFaulty(directory, directory.faults.map(({file}) => file.slice(directory.path.length + 1)))};
}

/** Throws a CliError for rules with faults; undefined: none are installed any more. */
export function editRules(directory: Directory, given: Rules | undefined, native: Native): Edit {
	refuse(given?.faults ?? [], 'Nothing was changed. rsconfig(1) says how rules are written.');
	const text = given && `${compileRules(given.rules, native, '\n')}\n`;
	return {directory: directory.path, changes: new Map([[otherFiles.rules, text]]), before: withFaulty(directory, [otherFiles.rules])};
}

/** Of entries that are checked. */
export function editPreload(directory: Directory, entries: readonly PreloadEntry[] | undefined): Edit {
	return editPreloadText(directory, entries && formatPreloadConfig(entries));
}

/** Of text that is checked, with its comments. */
export function editPreloadText(directory: Directory, text: string | undefined): Edit {
	return {directory: directory.path, changes: new Map([[otherFiles.preload, text]]), before: withFaulty(directory, [otherFiles.preload])};
}

/** Files of `names` that cannot be read are files too. */
function withFaulty(directory: Directory, names: readonly string[]): ReadonlyMap<string, string | undefined> {
	const before = contentsOf(directory);
	for (const name of names) {
		if (before.get(name) === undefined && directory.faults.some(({file}) => file === `${directory.path}/${name}`)) {
			before.set(name, '(malformed)\n');
		}
	}

	return before;
}
