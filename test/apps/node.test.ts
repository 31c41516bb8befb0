/** Node: libuv's loop at both ends, which batches epoll_ctl through io_uring where it may. */
import process from 'node:process';
import {testApp} from './kit/app.js';
import {programPath} from './kit/paths.js';

const expected = /^(\d+ 200 true \d+ \w{64}\n){240}$/u;

/* The primary passes accepted descriptors to its workers, and only the kernel can carry a passed connection for sure. */
for (const {name, program, ...rest} of [
	{name: 'node http', program: 'node-server.mjs', promoted: 6},
	{name: 'node cluster', program: 'node-cluster.mjs', promoted: 0, handsOn: true},
]) {
	testApp({
		name,
		...rest,
		async start(stage) {
			await stage.serve([process.execPath, programPath(program), String(stage.port)]);
		},
		async exercise(stage) {
			return {replies: await stage.output([process.execPath, programPath('node-client.mjs'), String(stage.port)])};
		},
		verify(t, outcome) {
			t.regex(String(outcome['replies']), expected);
		},
	});
}
