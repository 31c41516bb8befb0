import test from 'ava';
import {checkSetting, describeDefault} from '../../../cli/control/check-setting.js';
import {CliError} from '../../../cli/control/cli-error.js';
import {loadNative} from '../../../cli/native.js';

const native = loadNative();

test('takes what the core takes', t => {
	for (const pair of ['polling_time=0', 'ring_size=0x40', 'transport=shm', 'log_level=debug']) {
		t.is(checkSetting(pair, native), pair);
	}
});

test('names the nearest setting', t => {
	const error = t.throws(() => checkSetting('poling_time=1', native), {instanceOf: CliError});
	t.is(error?.code, 'setting-unknown');
	t.regex(error?.remedy ?? '', /polling_time/);
});

test('names the range', t => {
	for (const value of ['-1', '1000001', 'x', '', '1,2', '0x', '99999999999999999999', ' 1']) {
		const error = t.throws(() => checkSetting(`polling_time=${value}`, native), {instanceOf: CliError}, `value "${value}"`);
		t.is(error?.code, 'setting-value');
		t.regex(error?.remedy ?? '', /from 0 to 10{6} \(us\)/);
	}

	const error = t.throws(() => checkSetting('transport=rdma', native), {instanceOf: CliError});
	t.regex(error?.remedy ?? '', /auto, shm, tcp/);
});

test('wants key=value', t => {
	for (const pair of ['polling_time', '=1', '']) {
		t.is(t.throws(() => checkSetting(pair, native), {instanceOf: CliError})?.code, 'setting-form');
	}
});

test('every default is a value that the core takes', t => {
	for (const option of native.options()) {
		t.notThrows(() => checkSetting(`${option.name}=${describeDefault(option)}`, native));
	}
});
