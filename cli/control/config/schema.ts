/** The JSON schemas of configurations, rules and profiles, made of the core's table; published in config/. */
import {type Native, type Option} from '../../native.js';
import {describeDefault} from '../check-setting.js';
import {type RuleJson} from '../rules/format-rule.js';
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
export type SchemaName = 'config.schema.json' | 'profile.schema.json' | 'rules.schema.json';

const draft = 'http://json-schema.org/draft-07/schema#';
const text = {type: 'string', minLength: 1, pattern: String.raw`^[^\u0000-\u001f]*$`};
const word = {type: 'string', pattern: String.raw`^[^\s#]+$`, maxLength: 63};

/** The published schemas by file name. */
export function buildSchemas(native: Native): Record<SchemaName, Schema> {
	const options = native.options();
	const settings = settingsSchema(options);
	const rules = {type: 'array', description: 'The first one that matches decides.', items: ruleSchema(options, settings)};
	const common = {$schema: {type: 'string'}, version: {const: 1}};
	return {
		'config.schema.json': {
			$schema: draft,
			title: 'What rsconfig export writes and rsconfig import reads',
			type: 'object',
			additionalProperties: false,
			required: ['version'],
			properties: {...common, settings, rules, preload: {type: 'array', description: 'rdma-core\'s preload_config.', items: preloadSchema()}},
		},
		'rules.schema.json': {
			$schema: draft,
			title: 'Rules: a list, or an object that has one',
			...rules, type: ['array', 'object'], additionalProperties: false, required: ['version', 'rules'], properties: {...common, rules},
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
	const own = options.filter(({isOfConnection}) => isOfConnection).map(({name}) => name);
	const transports = options.find(({name}) => name === 'transport')?.values.split('|') ?? [];
	return {
		type: 'object', additionalProperties: false,
		oneOf: [{required: ['use']}, aloneSchema('set', 'profile'), aloneSchema('profile', 'set')],
		anyOf: [{not: {required: ['use']}}, {properties: {set: {type: 'object', propertyNames: {enum: own}}}}],
		properties: {
			use: {enum: ['both', ...transports], description: 'What may carry the connections; both is auto.'},
			role: {enum: ['server', 'client', '*'], description: 'Which end the program is.'},
			program: {...word, description: 'Its name without directory; * stands for any characters.'},
			peer: {...word, description: 'The other end: an IPv4 address, an IPv6 address in brackets, either with /bits, or *.'},
			port: {type: ['integer', 'string'], minimum: 1, maximum: 65_535, pattern: String.raw`^(\*|\d{1,5}(-\d{1,5})?)$`, description: 'That the server listens on: one, or a range.'},
			set: {...settings, minProperties: 1, description: `Settings of the program; with use, of the connections: ${own.join(', ')}. They win over the profile's.`},
			profile: {...word, description: 'The settings of this profile for the program; with use, for the connections.'},
		},
	};
}

/** A rule about a program, not about connections. */
function aloneSchema(kind: string, other: string): Schema {
	return {required: [kind], not: {anyOf: ['use', other, 'role', 'peer', 'port'].map(name => ({required: [name]}))}};
}

function preloadSchema(): Schema {
	const names = ['program', 'domain', 'type', 'protocol'];
	return {type: 'object', additionalProperties: false, required: names, properties: Object.fromEntries(names.map(name => [name, word]))};
}
