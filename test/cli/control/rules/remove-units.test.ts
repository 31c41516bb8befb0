import test from 'ava';
import {removeUnits} from '../../../../cli/control/rules/remove-units.js';
import {loadNative} from '../../../../cli/native.js';

const native = loadNative();

test('values of rules without units', t => {
	t.is(removeUnits('set * ring_size=16M  polling_time=5ms # 1M ring_size=1M', native), 'set * ring_size=16777216  polling_time=5000 # 1M ring_size=1M');
	t.is(removeUnits('\tuse both * * *:80 profile=latency ring_size=64K\r', native), '\tuse both * * *:80 profile=latency ring_size=65536\r');
});

test('names, and what the core takes or must complain of, stay', t => {
	for (const line of ['', 'use tcp * ring_size=1K *', 'set ring_size=1K ring_size=0x40', 'set * ring_size=1X ringsize=1K ring_size ring_size=5ms ring_size=9G', 'profile ring_size=1K latency', '# ring_size=1K']) {
		t.is(removeUnits(line, native), line);
	}
});
