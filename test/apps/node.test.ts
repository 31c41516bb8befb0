/** Node: libuv's loop at both ends, which batches epoll_ctl through io_uring where it may. */
import process from 'node:process';
import {testApp} from './kit/app.js';
import {programPath} from './kit/paths.js';

testApp({
	name: 'node http',
	promoted: 6,
	async start(stage) {
		await stage.serve([process.execPath, programPath('node_server.mjs'), String(stage.port)]);
	},
	async exercise(stage) {
		return {replies: await stage.output([process.execPath, programPath('node_client.mjs'), String(stage.port)])};
	},
	verify(t, outcome) {
		t.regex(String(outcome['replies']), /^(\d+ 200 true \d+ \w{64}\n){240}$/u);
	},
});
