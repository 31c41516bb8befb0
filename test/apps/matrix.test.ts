/** A part of the matrix that is quick; the whole of it is run by hand: rscheck matrix. */
import test from 'ava';
import {checkTool} from '../../cli/commands/check.js';
import {type Results} from '../../cli/control/check/format-matrix.js';
import {runToolHere} from '../cli/helpers/run-tool.js';

test('redis, memcached, perl and node behave in the matrix as on plain TCP', async t => {
	t.timeout(180_000);
	const {code, stdout} = await runToolHere(checkTool, ['matrix', 'redis', 'memcached', 'perl', 'node-http', '--retries', '1', '--require-all', '--require-promotion', '--json']);
	const {cells} = JSON.parse(stdout) as Results;
	t.deepEqual(cells.filter(({status}) => status !== 'same').map(({app, mode, transport, status, why}) => ({app, mode, transport, status, why})), []);
	t.is(cells.length, 24);
	t.is(code, 0);
});
