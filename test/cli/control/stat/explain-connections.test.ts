import {once} from 'node:events';
import net from 'node:net';
import test from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {explainConnections} from '../../../../cli/control/stat/explain-connections.js';
import {loadNative} from '../../../../cli/native.js';
import {startPromoted} from '../../helpers/stat.js';
import {startTalker, underToolkit, until} from '../../helpers/talker.js';

const native = loadNative();

test('several connections are several stories, a pair of ends is one', async t => {
	const {port} = await startPromoted(t);
	const client = net.connect(port, '127.0.0.1');
	t.teardown(() => client.destroy());
	await once(client, 'connect');
	const stories = await until(async () => {
		const found = await explainConnections(`:${port}`, native);
		return found.length === 2 ? found : undefined;
	});
	t.deepEqual(stories.map(({other}) => other.kind).toSorted(), ['process', 'visible']);
	t.is(stories.find(({other}) => other.kind === 'visible')?.otherRemedy, 'Nothing.');
});

test('of an end that does not show itself there is neither an event nor a remedy', async t => {
	const server = await startTalker(t, underToolkit);
	const client = net.connect(server.port, '127.0.0.1');
	t.teardown(() => client.destroy());
	await once(client, 'connect');
	const [story] = await until(async () => {
		try {
			return await explainConnections(`:${server.port}`, native);
		} catch (error) {
			// It has not looked yet.
			t.true(error instanceof CliError);
			return undefined;
		}
	});
	t.like(story, {other: {kind: 'process', hasLibrary: false}, otherRemedy: undefined});
	t.deepEqual(story?.otherEvents, []);
	t.is(typeof story?.remedy, 'string');
});

test('nothing to tell of', async t => {
	await t.throwsAsync(explainConnections('4194304:3', native), {instanceOf: CliError, message: 'no connection that can be seen is 4194304:3'});
});
