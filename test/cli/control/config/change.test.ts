import test from 'ava';
import {contentsOf} from '../../../../cli/control/config/change.js';
import {chooseDirectory, refuse} from '../../../../cli/control/config/choose-directory.js';
import {CliError} from '../../../../cli/control/cli-error.js';
import {formatFault} from '../../../../cli/control/config/fault.js';
import {type Context} from '../../../../cli/control/tool/tool.js';

function choose(dir: string | undefined, variable: string | undefined): string {
	return chooseDirectory({dir}, {env: {RSOCKET_CONFIG_DIR: variable}} as unknown as Context);
}

test('--dir, then the variable, then the usual one', t => {
	t.is(choose('/a/../b', '/c'), '/b');
	t.is(choose(undefined, '/c'), '/c');
	t.is(choose('', ''), '/etc/rdma/rsocket');
	t.is(choose(undefined, undefined), '/etc/rdma/rsocket');
});

test('the contents of files as they are written', t => {
	const contents = contentsOf({values: new Map([['polling_time', '1']]), rules: '#\n', preload: undefined, profile: 'latency'});
	t.deepEqual([...contents], [['polling_time', '1\n'], ['rules', '#\n'], ['preload_config', undefined], ['applied_profile', 'latency\n']]);
});

test('faults are refused together', t => {
	const faults = [{file: 'a', line: 2, message: 'm', remedy: 'R.'}, {file: 'b', message: 'n', remedy: 'S.'}];
	t.deepEqual(faults.map(fault => formatFault(fault)), ['a:2: m. R.', 'b: n. S.']);
	const error = t.throws(() => {
		refuse(faults, 'Mend it.');
	}, {instanceOf: CliError});
	t.is(error?.message, 'a:2: m. R.\nb: n. S.');
	t.deepEqual(error?.details, {faults});
	t.notThrows(() => {
		refuse([], 'Mend it.');
	});
});
