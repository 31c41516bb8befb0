import {once} from 'node:events';
import net from 'node:net';
import test from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {explainConnections} from '../../../../cli/control/stat/explain-connections.js';
import {loadNative} from '../../../../cli/native.js';
import {startPromoted} from '../../helpers/stat.js';
import {startTalker, underToolkit, until} from '../../helpers/talker.js';

const native = loadNative();

test('a pair of ends is one story, told from the end that was asked for', async t => {
	const {pid, port, ends} = await startPromoted(t);
	for (const {fd, peer} of ends) {
		const stories = await explainConnections(`${pid}:${fd}`, native);
		t.is(stories.length, 1);
		t.like(stories[0], {end: {connection: {pid, fd, peer}}, other: {kind: 'visible', connection: {pid, local: peer}}, remedy: 'Nothing.', otherRemedy: 'Nothing.'});
		t.is(stories[0]?.end.events[0]?.kind, 'opened');
		t.is(stories[0]?.otherEvents[0]?.kind, 'opened');
		t.not(stories[0]?.end.events[0]?.fd, stories[0]?.otherEvents[0]?.fd);
	}

	t.is((await explainConnections(`127.0.0.1:${port}`, native)).length, 1);
});

test('several connections are several stories', async t => {
	const {port} = await startPromoted(t);
	const client = net.connect(port, '127.0.0.1');
	t.teardown(() => client.destroy());
	await once(client, 'connect');
	const stories = await until(async () => {
		const found = await explainConnections(`:${port}`, native);
		return found.length === 2 ? found : undefined;
	});
	t.deepEqual(stories.map(({other}) => other.kind).toSorted(), ['process', 'visible']);
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
