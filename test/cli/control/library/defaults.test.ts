import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import {directoryOf, neverAborted, readOf, searchPathOf} from '../../../../cli/control/library/defaults.js';
import {makeRoot} from '../../helpers/make-root.js';
import {setVariable} from '../../helpers/set-variable.js';

test.serial('a directory by name, else that of the variable, else the usual one', t => {
	setVariable(t, 'RSOCKET_CONFIG_DIR', '/own/../other');
	t.is(directoryOf({directory: 'relative'}), path.resolve('relative'));
	t.is(directoryOf({}), '/other');
	t.is(directoryOf({directory: undefined}), '/other');
	setVariable(t, 'RSOCKET_CONFIG_DIR', '');
	t.is(directoryOf({}), '/etc/rdma/rsocket');
	t.is(directoryOf({directory: ''}), '/etc/rdma/rsocket');
	setVariable(t, 'RSOCKET_CONFIG_DIR', undefined);
	t.is(directoryOf({}), '/etc/rdma/rsocket');
});

test.serial('what is in it', t => {
	const directory = makeRoot(t, {polling_time: '7\n'});
	setVariable(t, 'RSOCKET_CONFIG_DIR', directory);
	t.like(readOf({}), {path: directory, exists: true, values: new Map([['polling_time', '7']])});
	t.false(readOf({directory: '/nowhere'}).exists);
});

test.serial('without PATH, the usual places', t => {
	t.is(searchPathOf(), process.env['PATH']!);
	setVariable(t, 'PATH', undefined);
	t.is(searchPathOf(), '/usr/bin:/bin');
});

test('a signal each that nobody aborts', t => {
	t.false(neverAborted().aborted);
	t.not(neverAborted(), neverAborted());
});
