import test from 'ava';
import {isPreloaded, modes, type Mode} from '../../../../cli/control/check/modes.js';

test('which ends each mode has under the toolkit; the oracle has none', t => {
	const ends = (mode: Mode) => (['server', 'client'] as const).filter(end => isPreloaded(mode, end));
	t.deepEqual((['plain', ...modes] as const).map(mode => [mode, ends(mode)]), [['plain', []], ['both', ['server', 'client']], ['server', ['server']], ['client', ['client']]]);
	t.false((modes as readonly string[]).includes('plain'));
});
