/** The value that a program started now would have for each setting, and where it comes from. */
import {type Native, type Option} from '../../native.js';
import {describeDefault} from '../check-setting.js';
import {toRaw} from '../raw.js';
import {canonical} from './parse-value.js';
import {type Directory} from './read-directory.js';

export type Source
	= | {readonly kind: 'default'}
		| {readonly kind: 'file'; readonly file: string}
		| {readonly kind: 'profile'; readonly profile: string; readonly file: string}
		| {readonly kind: 'environment'; readonly variable: string};

/** What --json says of a setting. */
export type Setting = {
	readonly name: string;
	readonly value: number | string;
	readonly default: number | string;
	readonly unit: string;
	readonly min?: number;
	readonly max?: number;
	readonly values?: readonly string[];
	readonly source: Source;
	readonly help: string;
};

/** `profile`: the settings of the profile that was applied to the directory. */
export function effectiveSettings(directory: Directory, profile: ReadonlyMap<string, string>, environment: string | undefined, native: Native): Setting[] {
	const fromEnvironment = parsePairs(environment ?? '', native);
	return native.options().map(option => {
		const stored = directory.values.get(option.name);
		const set = fromEnvironment.get(option.name);
		return describe(option, set ?? stored ?? describeDefault(option), sourceOf(option.name, {directory, profile, stored, set}));
	});
}

type Candidates = {
	readonly directory: Directory;
	readonly profile: ReadonlyMap<string, string>;
	readonly stored: string | undefined;
	readonly set: string | undefined;
};

function sourceOf(name: string, {directory, profile, stored, set}: Candidates): Source {
	if (set !== undefined) {
		return {kind: 'environment', variable: 'RSOCKET_SET'};
	}

	if (stored === undefined) {
		return {kind: 'default'};
	}

	const file = `${directory.path}/${name}`;
	return directory.profile !== undefined && profile.get(name) === stored ? {kind: 'profile', profile: directory.profile, file} : {kind: 'file', file};
}

function describe(option: Option, value: string, source: Source): Setting {
	const typed = (text: string) => option.values === '' ? Number(text) : text;
	return {
		name: option.name, value: typed(value), default: typed(describeDefault(option)), unit: option.unit,
		...(option.values === '' ? {min: option.min, max: option.max} : {values: option.values.split('|')}),
		source, help: option.help,
	};
}

/** As the core reads RSOCKET_SET: the last good value of a setting counts. */
function parsePairs(text: string, native: Native): Map<string, string> {
	const options = native.options();
	const pairs = new Map<string, string>();
	for (const pair of text.split(',')) {
		const [name = '', value] = pair.split(/=(.*)/s);
		const option = options.find(row => row.name === name);
		const number = option && value !== undefined ? native.optionParse(toRaw(name), toRaw(value)) : undefined;
		if (option && typeof number === 'number') {
			pairs.set(name, canonical(option, number));
		}
	}

	return pairs;
}

export function formatSource(source: Source): string {
	switch (source.kind) {
		case 'default': {
			return 'default';
		}

		case 'file': {
			return `file ${source.file}`;
		}

		case 'profile': {
			return `profile ${source.profile}`;
		}

		case 'environment': {
			return `environment ${source.variable}`;
		}
	}
}
