/** One setting, and what profiles make of it. */
import {listProfiles, readProfile} from '../profiles/profiles.js';
import {type Context} from '../tool/tool.js';
import {settingsOf} from './choose-directory.js';
import {type Setting} from './effective.js';
import {findOption} from './parse-value.js';
import {type Directory} from './read-directory.js';

export type ExplainedSetting = Setting & {
	/** By the name of each profile that sets it. */
	readonly profiles: Readonly<Record<string, string>>;
};

/** Throws a CliError for a name that is none. */
export function explainSetting(key: string, directory: Directory, context: Pick<Context, 'env' | 'native'>): ExplainedSetting {
	const {name} = findOption(key, context.native);
	const profiles = Object.fromEntries(listProfiles().flatMap(profile => {
		const value = readProfile(profile, context.native).settings.get(name);
		return value === undefined ? [] : [[profile, value]];
	}));
	return {...settingsOf(directory, context).find(setting => setting.name === name)!, profiles};
}
