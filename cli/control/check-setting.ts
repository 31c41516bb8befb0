/** Checks a `key=value` against the table of the core. */
import {type Native, type Option} from '../native.js';
import {CliError} from './cli-error.js';
import {findNearest} from './find-nearest.js';
import {toRaw} from './raw.js';

/** Returns `pair` when the core would take it; throws a CliError that says what it would take instead. */
export function checkSetting(pair: string, native: Native): string {
	const equals = pair.indexOf('=');
	if (equals < 1) {
		throw new CliError(`"${pair}" is not of the form key=value`, {code: 'setting-form', remedy: 'Write for example --set polling_time=0.'});
	}

	const name = pair.slice(0, equals);
	const value = pair.slice(equals + 1);
	const options = native.options();
	const option = options.find(row => row.name === name);
	if (!option) {
		const nearest = findNearest(name, options.map(row => row.name));
		throw new CliError(`no setting is called "${name}"`, {
			code: 'setting-unknown',
			remedy: nearest ? `Did you mean ${nearest}? rsrun --help lists all settings.` : 'rsrun --help lists all settings.',
		});
	}

	if (value.includes(',') || value.includes('\n') || typeof native.optionParse(toRaw(name), toRaw(value)) === 'string') {
		throw new CliError(`${name} cannot be "${value}"`, {code: 'setting-value', remedy: `${name} is ${describeRange(option)}.`});
	}

	return pair;
}

/** "a number from 0 to 10 (us)", "one of auto, shm, tcp". */
export function describeRange(option: Option): string {
	return option.values === ''
		? `a number from ${option.min} to ${option.max} (${option.unit})`
		: `one of ${option.values.split('|').join(', ')}`;
}

/** The default as a user would write it. */
export function describeDefault(option: Option): string {
	return option.values === '' ? String(option.default) : option.values.split('|')[option.default] ?? '';
}
