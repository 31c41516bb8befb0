/** Values of settings as people write them: sizes with K, M, G, times with us, ms, s. */
import {type Native, type Option} from '../../native.js';
import {describeDefault, describeRange} from '../check-setting.js';
import {CliError} from '../cli-error.js';
import {findNearest} from '../find-nearest.js';
import {toRaw} from '../raw.js';

const sizes = new Map([['', 1], ['K', 1024], ['M', 1024 ** 2], ['G', 1024 ** 3]]);
const times = new Map([['us', 1], ['ms', 1000], ['s', 1_000_000]]);

/** The setting's row; throws a CliError that names the nearest one. */
export function findOption(name: string, native: Native): Option {
	const options = native.options();
	const option = options.find(row => row.name === name);
	if (option) {
		return option;
	}

	const nearest = findNearest(name, options.map(row => row.name));
	throw new CliError(`no setting is called "${name}"`, {
		code: 'setting-unknown',
		remedy: nearest === undefined ? 'rsconfig list shows all settings.' : `Did you mean ${nearest}? rsconfig list shows all settings.`,
		details: {key: name, ...(nearest !== undefined && {nearest})},
	});
}

/** What stands in the setting's file: an integer, or an enum's name. Throws a CliError that says what is allowed. */
export function parseValue(option: Option, text: string, native: Native): string {
	const plain = withoutUnit(option, text.trim());
	const value = plain === undefined ? 'EINVAL' : native.optionParse(toRaw(option.name), toRaw(plain));
	if (typeof value === 'string') {
		throw new CliError(`${option.name} cannot be "${text}"`, {
			code: 'setting-value', remedy: `${option.name} is ${describeAllowed(option)}.`,
			details: {key: option.name, value: text, min: option.min, max: option.max, unit: option.unit, ...(option.values !== '' && {values: option.values.split('|')})},
		});
	}

	return canonical(option, value);
}

/** The file's text for a number of the core. */
export function canonical(option: Option, value: number): string {
	return option.values === '' ? String(value) : describeDefault({...option, default: value});
}

/** Number and unit in the setting's own unit; undefined when the unit is not one of it or the result is no integer. */
function withoutUnit(option: Option, text: string): string | undefined {
	const [, digits = '', unit = ''] = /^(-?\d+)\s*([A-Za-z]*)$/.exec(text) ?? [];
	if (digits === '' || unit === '') {
		return text;
	}

	const value = Number(digits);
	if (option.unit === 'bytes') {
		const factor = sizes.get(unit.replace(/i?B$/, '').toUpperCase());
		return factor === undefined ? undefined : String(value * factor);
	}

	const factor = times.get(unit);
	const own = times.get(option.unit);
	return factor === undefined || own === undefined || !Number.isInteger(value * factor / own) ? undefined : String(value * factor / own);
}

export function describeAllowed(option: Option): string {
	const range = describeRange(option);
	if (option.unit === 'bytes') {
		return `${range}; 64K, 1M, 1G are understood`;
	}

	return times.has(option.unit) ? `${range}; 10us, 5ms, 1s are understood` : range;
}
