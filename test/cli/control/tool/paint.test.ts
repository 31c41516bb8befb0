import test from 'ava';
import {choosePaint} from '../../../../cli/control/tool/paint.js';

const painted = '\u001B[1mtext\u001B[22m';

test('colours only where a person looks who did not ask for none', t => {
	for (const [isTerminal, env, expected] of [
		[true, {}, painted], [true, {NO_COLOR: ''}, painted], [true, {TERM: 'xterm'}, painted], [true, {NO_COLOR: undefined}, painted],
		[false, {}, 'text'], [true, {NO_COLOR: '1'}, 'text'], [true, {NO_COLOR: '0'}, 'text'], [true, {TERM: 'dumb'}, 'text'], [false, {FORCE_COLOR: '1'}, 'text'],
	] as const) {
		t.is(choosePaint(isTerminal, env)('bold', 'text'), expected, `${isTerminal} ${JSON.stringify(env)}`);
	}
});
