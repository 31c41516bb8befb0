/** sockperf: ping-pong, load and bulk against a server that waits in each of its four ways. */
import {writeFile} from 'node:fs/promises';
import {type Outcome, testApp} from './kit/app.js';
import {mixes, promotingMixes} from './kit/mix.js';
import {type Stage} from './kit/stage.js';

// Unpaced, sockperf fails when it gets through more than 600,000 rounds a second.
const pace = ['--mps', '500000'];

for (const handler of ['recvfrom', 'select', 'poll', 'epoll']) {
	testApp({
		name: `sockperf, server waiting in ${handler}`,
		promoted: 3,
		// With one end preloaded nothing is promoted: two ways to wait are enough.
		mixes: handler === 'recvfrom' || handler === 'epoll' ? mixes : promotingMixes,
		async start(stage) {
			// A handler other than recvfrom is used for a list of sockets only.
			await stage.serve(handler === 'recvfrom'
				? ['sockperf', 'server', '--tcp', '-i', '127.0.0.1', '-p', String(stage.port)]
				: ['sockperf', 'server', '-f', await writeFeed(stage), '-F', handler]);
		},
		async exercise(stage) {
			return {
				pingPong: await measure(stage, 'ping-pong', '-m', '64', '--data-integrity', ...pace),
				bigger: await measure(stage, 'ping-pong', '-m', '16000', '--data-integrity', ...pace),
				underLoad: await measure(stage, 'under-load', '-m', '200', '--mps', '5000'),
				throughput: await measure(stage, 'throughput', '-m', '64'),
				waiting: handler === 'recvfrom' ? undefined : await measureFeed(stage, handler),
			};
		},
		verify(t, outcome) {
			t.like(outcome, {pingPong: {lost: 'sockperf: # dropped messages = 0; # duplicated messages = 0; # out-of-order messages = 0'}});
		},
	});
}

async function writeFeed(stage: Stage): Promise<string> {
	const path = stage.path('feed');
	const ports = [stage.port, await stage.anotherPort()];
	await writeFile(path, ports.map(port => `T:127.0.0.1:${port}\n`).join(''));
	return path;
}

async function measure(stage: Stage, mode: string, ...options: readonly string[]): Promise<Outcome> {
	return summarize(await stage.output(['sockperf', mode, '--tcp', '-i', '127.0.0.1', '-p', String(stage.port), '-t', '1', ...options]));
}

/** The client, too, waits for two sockets at once. */
async function measureFeed(stage: Stage, handler: string): Promise<Outcome> {
	return summarize(await stage.output(['sockperf', 'ping-pong', '-f', stage.path('feed'), '-F', handler, '-t', '1', '-m', '64', ...pace]));
}

function summarize(output: string): Outcome {
	const lines = output.split('\n');
	return {
		ended: output.includes('Test ended'),
		lost: lines.find(line => line.includes('# dropped messages')),
		problems: lines.filter(line => /error|fail|mismatch|no valid/iu.test(line)),
	};
}
