/** stress-ng: sockets opened, used and closed as fast as they go, with both ends under one program, which checks what it gets. */
import test from 'ava';
import {mixes} from './kit/mix.js';
import {Stage} from './kit/stage.js';

const stressors = ['sock', 'sockmany', 'sockfd', 'epoll', 'poll', 'sendfile', 'sockpair', 'sockabuse'];

for (const mix of mixes.filter(({preloaded}) => preloaded.length === 2)) {
	test.serial(`stress-ng: ${mix.name}`, async t => {
		t.timeout(120_000);
		const stage = await Stage.open(mix);
		try {
			const {status, stderr, stdout} = await stage.run([
				'stress-ng', ...stressors.flatMap(name => [`--${name}`, '1']), '--sock-port', String(stage.port), '--timeout', '6', '--verify', '--metrics',
				'--temp-path', stage.directory,
			], {timeoutMs: 60_000});
			const output = stdout + stderr;
			t.is(status, 0, `stress-ng said: ${output}`);
			t.regex(output, /successful run completed/u);
			t.notRegex(output, / fail:/u);
			const promoted = stage.allConnections().filter(end => end.promotedNs > 0n);
			t.true(promoted.length > 0, 'nothing was promoted');
		} finally {
			await stage.close();
		}
	});
}
