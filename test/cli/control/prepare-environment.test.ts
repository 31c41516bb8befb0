import test from 'ava';
import {CliError} from '../../../cli/control/cli-error.js';
import {Environment} from '../../../cli/control/environment.js';
import {prepareEnvironment} from '../../../cli/control/prepare-environment.js';
import {type Raw} from '../../../cli/control/raw.js';

const wishes = {
	library: '/lib/ours.so', settings: [], configDirectory: undefined, reportPath: undefined,
};

function prepare(strings: string[], more: object = {}) {
	const environment = new Environment(strings as Raw[]);
	prepareEnvironment(environment, {...wishes, ...more});
	return environment.toList() as readonly string[];
}

test('the library comes after what is preloaded already', t => {
	t.deepEqual(prepare([]), ['LD_PRELOAD=/lib/ours.so']);
	t.deepEqual(prepare(['LD_PRELOAD=/a.so /b.so']), ['LD_PRELOAD=/a.so /b.so:/lib/ours.so']);
	t.deepEqual(prepare(['LD_PRELOAD=']), ['LD_PRELOAD=/lib/ours.so']);
});

test('the library is not preloaded twice', t => {
	t.deepEqual(prepare(['LD_PRELOAD=/a.so:/lib/ours.so']), ['LD_PRELOAD=/a.so:/lib/ours.so']);
});

test('settings come after those of the caller, and win', t => {
	t.deepEqual(prepare(['RSOCKET_SET=ring_size=64'], {settings: ['polling_time=0', 'ring_size=128']}), [
		'LD_PRELOAD=/lib/ours.so',
		'RSOCKET_SET=ring_size=64,polling_time=0,ring_size=128',
	]);
});

test('other variables keep their bytes and order', t => {
	t.deepEqual(prepare(['B=\u00FF', 'A=1', 'no-equals']).slice(0, 3), ['B=\u00FF', 'A=1', 'no-equals']);
});

test('directory and report stand in variables of their own', t => {
	const list = prepare([], {configDirectory: '/c', reportPath: '/r'});
	t.true(list.includes('RSOCKET_CONFIG_DIR=/c'));
	t.true(list.includes('RSOCKET_REPORT=/r'));
});

test('a library whose path LD_PRELOAD would split is refused', t => {
	for (const library of ['/a b/c.so', '/a:b/c.so', '/$ORIGIN/c.so']) {
		t.throws(() => prepare([], {library}), {instanceOf: CliError});
	}
});
