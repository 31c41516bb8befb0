import test from 'ava';
import {type Summary} from '../../../../cli/control/stat/summarize.js';
import {rsstat, startPromoted} from '../../helpers/stat.js';

test('counts', async t => {
	await startPromoted(t);
	const {code, stdout} = await rsstat('summary', '--json');
	t.is(code, 0);
	const summary = JSON.parse(stdout) as Summary & {version: number};
	t.is(summary.version, 1);
	t.true(summary.processes >= 1 && summary.promoted >= 2 && summary.transports['shm']! >= 2 && summary.reasons['promoted']! >= 2 && summary.programs['node']!.promoted >= 2);
	t.true(summary.open.shmBytes > 0 && summary.open.sentBytes > 0 && summary.open.receivedMessages > 0);
	t.regex((await rsstat('summary')).stdout, /^\d+ process(es)?, \d+ open connection ends, \d+ promoted\ntransports: .*\d+ shm.*\nprograms: .*\d+ node.*\nopen: sent .*% through shared memory\nended: .*\nwaits while promoted: .*\n(?:.*\n)*promoted \(\d+\): Both ends run the toolkit/);
});
