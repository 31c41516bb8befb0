/** Where two configurations differ. */
import {type Native} from '../../native.js';
import {describeDefault} from '../check-setting.js';
import {listProfiles, readProfile} from '../profiles/profiles.js';
import {fromRaw} from '../raw.js';
import {compileRules} from '../rules/compile-rules.js';
import {parseRuleList} from '../rules/parse-rules.js';
import {directoryToDocument, readDocument} from './document.js';
import {parseValue} from './parse-value.js';
import {formatPreloadConfig} from './preload-config.js';
import {type Directory} from './read-directory.js';
import {type ConfigurationJson} from './schema.js';

/** `name`: a setting, `rules` or `preload_config`; null: at its default, or not there. */
export type Difference = {readonly name: string; readonly here: string | null; readonly there: string | null};

/** `other`: the name of a profile, a file that `readDocument` reads, or undefined: the defaults. Against a profile only settings count. */
export function diffDirectory(directory: Directory, other: string | ConfigurationJson | undefined, native: Native): {readonly differences: readonly Difference[]; readonly isProfile: boolean} {
	const here = directoryToDocument(directory, native);
	if (typeof other === 'string' && listProfiles().includes(other)) {
		const settings = Object.fromEntries(readProfile(other, native).settings);
		return {differences: diffDocuments({version: 1, settings: here.settings ?? {}}, {version: 1, settings}, native), isProfile: true};
	}

	const there = typeof other === 'string' ? readDocument(other, native) : other ?? {version: 1};
	return {differences: diffDocuments(here, there, native), isProfile: false};
}

export function diffDocuments(here: ConfigurationJson, there: ConfigurationJson, native: Native): Difference[] {
	const settings = native.options().map(option => {
		const value = ({settings: own = {}}: ConfigurationJson) => {
			const given = own[option.name];
			return given === undefined ? describeDefault(option) : parseValue(option, String(given), native);
		};

		return {name: option.name, here: value(here), there: value(there)};
	});
	const texts = [
		{name: 'rules', here: ruleLines(here, native), there: ruleLines(there, native)},
		{name: 'preload_config', here: here.preload ? formatPreloadConfig(here.preload) : null, there: there.preload ? formatPreloadConfig(there.preload) : null},
	];
	return [...settings, ...texts.map(text => ({...text, here: oneLine(text.here), there: oneLine(text.there)}))].filter(row => row.here !== row.there);
}

/** As they would be installed. */
function ruleLines({rules = []}: ConfigurationJson, native: Native): string | null {
	const parsed = parseRuleList(rules, {file: 'rules', text: '', path: '/rules'}, native).rules;
	return parsed.length === 0 ? null : fromRaw(compileRules(parsed, native, '\n'));
}

function oneLine(text: string | null): string | null {
	return text === null ? null : text.trim().replaceAll('\n', '; ');
}
