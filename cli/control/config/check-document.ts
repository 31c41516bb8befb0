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

export function checkConfiguration(value: unknown, source: Source, native: Native): Checked<ConfigurationJson> {
	return check<ConfigurationJson>(value, 'config.schema.json', source, native);
}

/** A list, or a document that has one. */
export function checkRules(value: unknown, source: Source, native: Native): Checked<readonly RuleJson[] | {readonly rules: readonly RuleJson[]}> {
	return check<readonly RuleJson[] | {readonly rules: readonly RuleJson[]}>(value, 'rules.schema.json', source, native);
}

export function checkProfile(value: unknown, source: Source, native: Native): Checked<ProfileJson> {
	return check<ProfileJson>(value, 'profile.schema.json', source, native);
}

function check<Value>(value: unknown, name: SchemaName, {text: source, file}: Source, native: Native): Checked<Value> {
	const validate = compile(name, native);
	if (!validate(value)) {
		return {faults: (validate.errors ?? []).map(error => describe(error, source, file, native.options()))};
	}

	const sound = value as Value & {readonly settings?: ProfileJson['settings']};
	const faults = checkValues(sound.settings ?? {}, source, file, native);
	return faults.length === 0 ? {value: sound} : {faults};
}

/** Compiling takes longer than all the rest. */
const compiled = new Map<SchemaName, ValidateFunction>();

function compile(name: SchemaName, native: Native): ValidateFunction {
	const validate = compiled.get(name) ?? new Ajv({allErrors: true, verbose: true, allowUnionTypes: true}).compile(buildSchemas(native)[name]);
	compiled.set(name, validate);
	return validate;
}

/** Of values with a unit the schema does not know the range. */
function checkValues(settings: ProfileJson['settings'], source: string, file: string, native: Native): Fault[] {
	return Object.entries(settings).flatMap(([name, value]) => {
		try {
			parseValue(findOption(name, native), String(value), native);
			return [];
		} catch (error) {
			if (error instanceof CliError) {
				return [{file, line: lineOfPath(source, `/settings/${name}`), message: error.message, remedy: error.remedy}];
			}

			throw error;
		}
	});
}

function describe(error: ErrorObject, source: string, file: string, options: readonly Option[]): Fault {
	const {instancePath, params, keyword} = error;
	const extra = params['additionalProperty'] as string | undefined;
	const place = instancePath === '' ? 'the document' : instancePath.slice(1).replaceAll('/', ', ');
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

	const allowed = params['allowedValues'] as string[] | undefined;
	const rest = allowed === undefined ? (keyword === 'oneOf' ? 'has exactly one of use, set and profile' : error.message ?? 'is not right') : `is one of ${allowed.join(', ')}`;
	return {file, line, message: `${place} is not as the schema has it`, remedy: `It ${rest}.`};
}
