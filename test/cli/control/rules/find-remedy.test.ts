import test from 'ava';
import {findRemedy} from '../../../../cli/control/rules/find-remedy.js';
import {loadNative} from '../../../../cli/native.js';

const native = loadNative();

test('the word, and the nearest right one', t => {
	t.is(findRemedy('usee tcp * *', 1, native), 'It says "usee"; did you mean use?');
	t.is(findRemedy('use both * * * profil=latency', 6, native), 'It says "profil=latency"; did you mean profile?');
	t.is(findRemedy('use tcp *', 4, native), 'A word is missing.');
	t.is(findRemedy(`use ${'x'.repeat(80)}`, 2, native), `It says "${'x'.repeat(40)}...".`);
	t.is(findRemedy('set * promote_tries=99', 3, native), 'It says "promote_tries=99". promote_tries is a number from 1 to 30 (count).');
});

test('what only a process can have is for a set rule', t => {
	t.is(findRemedy('use both * redis-* *:80 log_level=debug', 6, native), 'It says "log_level=debug"; a rule of its own gives it to the whole process: "set redis-* log_level=debug".');
	t.is(findRemedy('use both * * * transport=shm', 6, native), 'It says "transport=shm". transport is one of auto, shm, tcp.');
});
