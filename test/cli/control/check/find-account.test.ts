import process from 'node:process';
import test from 'ava';
import {findAccount} from '../../../../cli/control/check/find-account.js';

test('only root can become somebody', t => {
	t.deepEqual(findAccount('daemon'), process.getuid?.() === 0 ? {uid: 1, gid: 1} : undefined);
	t.is(findAccount('nobody-of-that-name'), undefined);
	t.is(findAccount(''), undefined);
	t.is(findAccount(undefined), undefined);
});
