/** The profiles of config/profiles/. */
import {readdirSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {type Native} from '../../native.js';
import {describeDefault} from '../check-setting.js';
import {CliError} from '../cli-error.js';
import {checkProfile} from '../config/check-document.js';
import {formatFault} from '../config/fault.js';
import {parseJson} from '../config/parse-json.js';
import {findOption, parseValue} from '../config/parse-value.js';
import {findNearest} from '../find-nearest.js';
import {readText} from '../read-text.js';

const directory = fileURLToPath(new URL('../../../../config/profiles/', import.meta.url));

export type Profile = {
	readonly name: string;
	readonly summary: string;
	readonly cost: string;
	/** As files hold them. */
	readonly settings: ReadonlyMap<string, string>;
};

export function listProfiles(): string[] {
	return readdirSync(directory).filter(name => name.endsWith('.json')).map(name => name.slice(0, -'.json'.length)).toSorted();
}

/** `name`: one of ours, or the path of a file. Throws a CliError. */
export function readProfile(name: string, native: Native): Profile {
	const isPath = name.includes('/') || name.endsWith('.json');
	const names = listProfiles();
	if (!isPath && !names.includes(name)) {
		const nearest = findNearest(name, names);
		throw new CliError(`no profile is called "${name}"`, {
			code: 'profile-unknown',
			remedy: nearest === undefined ? `There are: ${names.join(', ')}; or give the path of a file.` : `Did you mean ${nearest}?`,
		});
	}

	const file = isPath ? name : path.join(directory, `${name}.json`);
	return parseProfile(readText(file, 'utf8', 'Check the path; rsconfig profiles lists what there is.'), file, path.basename(file, '.json'), native);
}

function parseProfile(text: string, file: string, name: string, native: Native): Profile {
	const parsed = parseJson(text, file);
	const checked = 'fault' in parsed ? {faults: [parsed.fault]} : checkProfile(parsed.value, {text, file}, native);
	if ('faults' in checked) {
		throw new CliError(checked.faults.map(fault => formatFault(fault)).join('\n'), {
			code: 'profile-invalid', remedy: 'config/profile.schema.json says what a profile is.', details: {faults: checked.faults},
		});
	}

	const {summary, cost, settings} = checked.value;
	return {name, summary, cost, settings: new Map(Object.entries(settings).map(([key, value]) => [key, parseValue(findOption(key, native), String(value), native)]))};
}

/** The settings that profiles are about. */
export function profileKeys(native: Native): string[] {
	const used = new Set(listProfiles().flatMap(name => [...readProfile(name, native).settings.keys()]));
	return native.options().map(({name}) => name).filter(name => used.has(name));
}

/** A value for each of these settings, as `key=value`: what the profile leaves open is at its default. */
export function profilePairs(profile: Profile, native: Native): string[] {
	const keys = new Set([...profileKeys(native), ...profile.settings.keys()]);
	return native.options().filter(({name}) => keys.has(name)).map(option => `${option.name}=${profile.settings.get(option.name) ?? describeDefault(option)}`);
}
