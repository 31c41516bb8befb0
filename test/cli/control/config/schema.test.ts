import {readdirSync, readFileSync} from 'node:fs';
import test from 'ava';
import {Ajv} from 'ajv';
import {buildSchemas} from '../../../../cli/control/config/schema.js';
import {loadNative} from '../../../../cli/native.js';

/** From dist/test/cli/control/config. */
const config = new URL('../../../../../config/', import.meta.url);
const native = loadNative();
const read = (name: string) => JSON.parse(readFileSync(new URL(name, config), 'utf8')) as object;

test('the published schemas are those of the core\'s table', t => {
	for (const [name, schema] of Object.entries(buildSchemas(native))) {
		t.deepEqual(read(name), schema as object, `config/${name}: node scripts/check.d/schemas.mjs --write`);
	}
});

test('every setting of the core is in them, with its range', t => {
	const {properties} = read('config.schema.json') as {properties: {settings: {properties: Record<string, {minimum?: number; maximum?: number; enum?: string[]}>}}};
	for (const {name, min, max, values} of native.options()) {
		t.like(properties.settings.properties[name], values === '' ? {minimum: min, maximum: max} : {enum: values.split('|')});
	}
});

test('the profiles of the package fit theirs', t => {
	const validate = new Ajv({allowUnionTypes: true}).compile(read('profile.schema.json'));
	const names = readdirSync(new URL('profiles/', config));
	t.deepEqual(names.toSorted(), ['balanced.json', 'latency.json', 'low-cpu.json', 'throughput.json']);
	for (const name of names) {
		t.true(validate(read(`profiles/${name}`)), `${name}: ${JSON.stringify(validate.errors)}`);
	}
});
