/** The JSON schemas of configurations and profiles, made of the core's table; published in config/. */
import {Ajv, type ErrorObject, type ValidateFunction} from 'ajv';
import {type Native, type Option} from '../../native.js';
import {describeDefault} from '../check-setting.js';
import {CliError} from '../cli-error.js';
import {findNearest} from '../find-nearest.js';
import {type RuleJson} from '../rules/format-rule.js';
import {type Fault} from './fault.js';
import {lineOfPath} from './parse-json.js';
import {describeAllowed, findOption, parseValue} from './parse-value.js';
import {type PreloadEntry} from './preload-config.js';

export type ConfigurationJson = {
	readonly version: 1;
	readonly settings?: Readonly<Record<string, number | string>>;
	readonly rules?: readonly RuleJson[];
	readonly preload?: readonly PreloadEntry[];
};

export type ProfileJson = {
	readonly summary: string;
	readonly cost: string;
	readonly settings: Readonly<Record<string, number | string>>;
};

type Schema = Readonly<Record<string, unknown>>;
type SchemaName = 'config.schema.json' | 'profile.schema.json';

const draft = 'http://json-schema.org/draft-07/schema#';
const text = {type: 'string', minLength: 1, pattern: String.raw`^[^\u0000-\u001f]*$`};
const word = {type: 'string', pattern: String.raw`^[^\s#]+$`, maxLength: 63};

/** The published schemas by file name. */
export function buildSchemas(native: Native): Record<SchemaName, Schema> {
	const options = native.options();
	const settings = settingsSchema(options);
	return {
		'config.schema.json': {
			$schema: draft,
			title: 'What rsconfig export writes and rsconfig import reads',
			type: 'object',
			additionalProperties: false,
			required: ['version'],
			properties: {
				$schema: {type: 'string'},
				version: {const: 1},
				settings,
				rules: {type: 'array', description: 'The first one that matches decides.', items: ruleSchema(options, settings)},
				preload: {type: 'array', description: 'rdma-core\'s preload_config.', items: preloadSchema()},
			},
		},
		'profile.schema.json': {
			$schema: draft,
			title: 'A profile: settings for one purpose, and what they cost',
			type: 'object',
			additionalProperties: false,
			required: ['summary', 'cost', 'settings'],
			properties: {$schema: {type: 'string'}, summary: text, cost: text, settings},
		},
	};
}

function settingsSchema(options: readonly Option[]): Schema {
	return {
		type: 'object', additionalProperties: false,
		properties: Object.fromEntries(options.map(option => [option.name, settingSchema(option)])),
	};
}

/** Numbers, or text with a unit; the unit is left to the parser. */
function settingSchema(option: Option): Schema {
	const common = {description: `${option.help} ${option.values === '' ? `In ${option.unit}.` : ''}`.trim(), default: option.values === '' ? option.default : describeDefault(option)};
	return option.values === ''
		? {type: ['integer', 'string'], minimum: option.min, maximum: option.max, pattern: String.raw`^-?\d+ *[A-Za-z]{0,3}$`, ...common}
		: {enum: option.values.split('|'), ...common};
}

function ruleSchema(options: readonly Option[], settings: Schema): Schema {
	const transports = options.find(({name}) => name === 'transport')?.values.split('|') ?? [];
	return {
		type: 'object', additionalProperties: false,
		oneOf: ['use', 'set', 'profile'].map(kind => ({required: [kind]})),
		properties: {
			use: {enum: ['both', ...transports], description: 'What may carry the connections; both is auto.'},
			role: {enum: ['server', 'client', '*'], description: 'Which end the program is.'},
			program: {...word, description: 'Its name without directory; * stands for any characters.'},
			peer: {...word, description: 'The other end: an IPv4 address, an IPv6 address in brackets, either with /bits, or *.'},
			port: {type: ['integer', 'string'], minimum: 1, maximum: 65_535, pattern: String.raw`^(\*|\d{1,5}(-\d{1,5})?)$`, description: 'That the server listens on: one, or a range.'},
			set: {...settings, minProperties: 1, description: 'Settings of the program.'},
			profile: {...word, description: 'The settings of this profile for the program.'},
		},
	};
}

function preloadSchema(): Schema {
	const names = ['program', 'domain', 'type', 'protocol'];
	return {type: 'object', additionalProperties: false, required: names, properties: Object.fromEntries(names.map(name => [name, word]))};
}

type Checked<Value> = {readonly value: Value} | {readonly faults: readonly Fault[]};
type Source = {readonly text: string; readonly file: string};

export function checkConfiguration(value: unknown, source: Source, native: Native): Checked<ConfigurationJson> {
	return check<ConfigurationJson>(value, 'config.schema.json', source, native);
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
	const validate = compiled.get(name) ?? new Ajv({allErrors: true, allowUnionTypes: true}).compile(buildSchemas(native)[name]);
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

