import test from 'ava';
import {defineRun} from '../../../cli/commands/define-run.js';
import {loadNative} from '../../../cli/native.js';

const native = loadNative();
const tool = defineRun(native);

test('choices and settings are those of the core\'s table', t => {
	const valuesOf = (name: string): readonly string[] | undefined => native.options().find(option => option.name === name)?.values.split('|');
	t.deepEqual(tool.options?.['transport']?.choices, valuesOf('transport'));
	t.deepEqual(tool.options?.['log-level']?.choices, valuesOf('log_level'));
	const [, settings] = tool.sections?.find(([head]) => head === 'SETTINGS') ?? [];
	t.deepEqual(settings?.filter(row => typeof row !== 'string').map(([name]) => name), native.options().map(({name}) => name));
	t.false(settings?.some(row => typeof row !== 'string' && /undefined|NaN/.test(row[1])));
});

test('a table with other rows makes another tool', t => {
	const other = defineRun({...native, options: () => [{name: 'transport', unit: 'enum', default: 0, min: 0, max: 1, values: 'a|b', isOfConnection: false, help: 'H.'}]});
	t.deepEqual(other.options?.['transport']?.choices, ['a', 'b']);
	t.deepEqual(other.options?.['log-level']?.choices, []);
});

test('every option that takes a value says how it is written', t => {
	for (const [name, {type}] of Object.entries(tool.options ?? {})) {
		t.is(tool.arguments?.[name] !== undefined, type !== 'boolean', `--${name}`);
	}

	t.true(Object.keys(tool.arguments ?? {}).every(name => tool.options?.[name] !== undefined));
});
