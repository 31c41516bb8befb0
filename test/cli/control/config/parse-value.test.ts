import test from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {canonical, describeAllowed, findOption, parseValue} from '../../../../cli/control/config/parse-value.js';
import {loadNative} from '../../../../cli/native.js';

const native = loadNative();

function parse(key: string, text: string): string {
	return parseValue(findOption(key, native), text, native);
}

function refuse(key: string, text: string): CliError | undefined {
	try {
		parse(key, `${text}`);
		return undefined;
	} catch (error) {
		return error instanceof CliError ? error : undefined;
	}
}

test('sizes have K, M and G', t => {
	const values = ['1', '64K', '64k', '1M', '1MiB', '1 MB', '1G', ' 7 '].map(text => parse('mem_default', text));
	t.deepEqual(values, ['1', '65536', '65536', '1048576', '1048576', '1048576', '1073741824', '7']);
});

test('times have us, ms and s, and come out in the setting\'s own unit', t => {
	t.deepEqual(['50', '50us', '5ms', '1s'].map(text => parse('polling_time', text)), ['50', '50', '5000', '1000000']);
	t.deepEqual(['3', '3ms', '1s'].map(text => parse('wake_up_interval', text)), ['3', '3', '1000']);
});

test('a time that is no whole number of the unit is refused', t => {
	t.is(refuse('wake_up_interval', '1500us')?.code, 'setting-value');
});

test('units of another kind are refused', t => {
	for (const [key, text] of [['mem_default', '5ms'], ['polling_time', '5K'], ['polling_time', '5h'], ['sqsize_default', '1K'], ['mem_default', '1T']] as const) {
		t.is(refuse(key, text)?.code, 'setting-value', `${key}=${text}`);
	}
});

test('names of an enum are taken as they are', t => {
	t.is(parse('transport', 'tcp'), 'tcp');
	const error = refuse('transport', 'TCP');
	t.regex(error?.remedy ?? '', /one of .*tcp/);
	t.true((error?.details?.['values'] as string[]).includes('shm'));
});

test('what is out of range is refused with the range', t => {
	for (const text of ['-1', '1000001', '2s', '', 'x', '1.5', '0x', '9'.repeat(30), '1e3']) {
		const error = refuse('polling_time', text);
		t.is(error?.code, 'setting-value', `${text}`);
		t.true(error?.remedy.includes('from 0 to 1000000 (us)'), `${error?.remedy}`);
	}

	const details = refuse('polling_time', '2s')?.details;
	t.deepEqual(details, {
		key: 'polling_time', value: '2s', min: 0, max: 1_000_000, unit: 'us',
	});
});

test('an unknown key names the nearest one', t => {
	const error = t.throws(() => findOption('poling_time', native), {instanceOf: CliError});
	t.true(error?.remedy.startsWith('Did you mean polling_time?'));
	t.is(error?.details?.['nearest'], 'polling_time');
	t.is(t.throws(() => findOption('zzz', native), {instanceOf: CliError})?.remedy, 'rsconfig list shows all settings.');
});

test('what is allowed is told with examples of units', t => {
	t.regex(describeAllowed(findOption('mem_default', native)), /64K, 1M, 1G are understood$/);
	t.regex(describeAllowed(findOption('polling_time', native)), /10us, 5ms, 1s are understood$/);
	t.notRegex(describeAllowed(findOption('sqsize_default', native)), /understood/);
});

test('canonical gives the file\'s text', t => {
	t.is(canonical(findOption('polling_time', native), 7), '7');
	const transport = findOption('transport', native);
	t.is(canonical(transport, transport.values.split('|').indexOf('shm')), 'shm');
});
