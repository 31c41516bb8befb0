/** Checks documents against their schemas; every fault has its line. */
import {Ajv, type ErrorObject, type ValidateFunction} from 'ajv';
import {type Native, type Option} from '../../native.js';
import {CliError} from '../cli-error.js';
import {findNearest} from '../find-nearest.js';
import {type RuleJson} from '../rules/format-rule.js';
import {type Fault} from './fault.js';
import {lineOfPath} from './line-of-path.js';
import {describeAllowed, findOption, parseValue} from './parse-value.js';
import {buildSchemas, type ConfigurationJson, type ProfileJson, type SchemaName} from './schema.js';

type Checked<Value> = {readonly value: Value} | {readonly faults: readonly Fault[]};
type Source = {readonly text: string; readonly file: string};

/** Further faults of what may not fit the schema: `isSound` says whether what stands at a path does. */
export type FindMore = (value: unknown, isSound: (path: string) => boolean) => readonly Fault[];

export function checkConfiguration(value: unknown, source: Source, native: Native, more?: FindMore): Checked<ConfigurationJson> {
	return check<ConfigurationJson>(value, 'config.schema.json', source, {native, more});
}

/** A list, or a document that has one. */
export function checkRules(value: unknown, source: Source, native: Native, more?: FindMore): Checked<readonly RuleJson[] | {readonly rules: readonly RuleJson[]}> {
	return check<readonly RuleJson[] | {readonly rules: readonly RuleJson[]}>(value, 'rules.schema.json', source, {native, more});
}

export function checkProfile(value: unknown, source: Source, native: Native): Checked<ProfileJson> {
	return check<ProfileJson>(value, 'profile.schema.json', source, {native});
}

function check<Value>(value: unknown, name: SchemaName, source: Source, {native, more}: {readonly native: Native; readonly more?: FindMore | undefined}): Checked<Value> {
	const validate = compile(name, native);
	validate(value);
	const all = validate.errors ?? [];
	// That one of three is missing is told once, and not of what could have none. What a use rule can set is the core's to say.
	const errors = all.filter(({schemaPath, keyword, instancePath}) => !/\/(?:oneOf|anyOf)\//.test(schemaPath) && keyword !== 'anyOf'
		&& (keyword !== 'oneOf' || !all.some(other => other.keyword === 'type' && other.instancePath === instancePath)));
	const isSound = (path: string): boolean => !errors.some(({instancePath}) => instancePath === path || instancePath.startsWith(`${path}/`));
	const {settings} = (value ?? {}) as {readonly settings?: unknown};
	const faults = [
		...errors.map(error => describe(error, source.text, source.file, native.options())),
		...checkValues(Object.entries(typeof settings === 'object' ? settings ?? {} : {}).filter(([key]) => isSound(`/settings/${key}`)), source, native),
		...more?.(value, isSound) ?? [],
	];
	return faults.length === 0 ? {value: value as Value} : {faults: faults.toSorted((one, other) => (one.line ?? 0) - (other.line ?? 0))};
}

/** Compiling takes longer than all the rest. */
const compiled = new Map<SchemaName, ValidateFunction>();

function compile(name: SchemaName, native: Native): ValidateFunction {
	const validate = compiled.get(name) ?? new Ajv({allErrors: true, verbose: true, allowUnionTypes: true}).compile(buildSchemas(native)[name]);
	compiled.set(name, validate);
	return validate;
}

/** Of values with a unit the schema does not know the range. */
function checkValues(settings: ReadonlyArray<readonly [string, unknown]>, {text, file}: Source, native: Native): Fault[] {
	const known = new Set(native.options().map(({name}) => name));
	return settings.filter(([name]) => known.has(name)).flatMap(([name, value]) => {
		try {
			parseValue(findOption(name, native), String(value), native);
			return [];
		} catch (error) {
			if (error instanceof CliError) {
				return [{file, line: lineOfPath(text, `/settings/${name}`), message: error.message, remedy: error.remedy}];
			}

			throw error;
		}
	});
}

/** `rule 2: peer` of `/rules/1/peer`. */
function placeOf(instancePath: string): string {
	const words = instancePath.slice(1).replace(/^(?:rules\/)?(\d+)/, (_, index: string) => `rule ${Number(index) + 1}`).replace(/^preload\/(\d+)/, (_, index: string) => `preload entry ${Number(index) + 1}`).split('/');
	return instancePath === '' ? 'the document' : words.join(': ');
}

const types: Readonly<Record<string, string>> = {object: 'an object', array: 'a list', string: 'text', integer: 'a whole number', number: 'a number', boolean: 'true or false'};

/** What would be right, in words; what the schema says of the place is better than its patterns. */
function explain({keyword, params, message = 'is not right', parentSchema}: ErrorObject): string {
	const description = (parentSchema as {readonly description?: string} | undefined)?.description;
	switch (keyword) {
		case 'enum': {
			return `It is one of ${(params['allowedValues'] as string[]).join(', ')}.`;
		}

		case 'const': {
			return `It is ${JSON.stringify(params['allowedValue'])}.`;
		}

		case 'oneOf': {
			return 'It has use, maybe with set and profile; or one of these two alone, without role, peer and port.';
		}

		case 'required': {
			return `It needs ${JSON.stringify(params['missingProperty'])}.`;
		}

		case 'minProperties': {
			return 'It names at least one.';
		}

		case 'type': {
			return `It is ${[params['type'] as string | string[]].flat().flatMap(type => type.split(',')).map(type => types[type] ?? type).join(' or ')}.${description === undefined ? '' : ` ${description}`}`;
		}

		case 'pattern': {
			return description ?? 'It is text without spaces, # and control characters.';
		}

		default: {
			return `It ${message}.`;
		}
	}
}

function describe(error: ErrorObject, source: string, file: string, options: readonly Option[]): Fault {
	const {instancePath, params} = error;
	const extra = params['additionalProperty'] as string | undefined;
	const place = placeOf(instancePath);
	const line = lineOfPath(source, instancePath, extra);
	if (extra !== undefined) {
		const known = Object.keys((error.parentSchema?.['properties'] ?? {}) as Record<string, unknown>);
		const nearest = findNearest(extra, known.length > 0 ? known : options.map(({name}) => name));
		return {file, line, message: `${place} knows no ${JSON.stringify(extra)}`, remedy: nearest === undefined ? 'Remove it.' : `Did you mean ${nearest}?`};
	}

	const option = options.find(({name}) => instancePath.endsWith(`settings/${name}`) || instancePath.endsWith(`set/${name}`));
	if (option) {
		return {file, line, message: `${option.name} cannot have this value`, remedy: `It is ${describeAllowed(option)}.`};
	}

	return {file, line, message: `${place} is not as the schema has it`, remedy: explain(error)};
}
