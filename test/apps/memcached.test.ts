/** memcached: libevent, several threads, each with connections handed over by the first. */
import {testApp} from './kit/app.js';
import {programPath} from './kit/paths.js';

testApp({
	name: 'memcached',
	promoted: 8,
	async start(stage) {
		// Not as nobody: that is the uid of users the kernel cannot name, which proves nothing about a peer.
		await stage.serve(['memcached', '-u', 'memcache', '-l', '127.0.0.1', '-p', String(stage.port), '-U', '0']);
	},
	async exercise(stage) {
		return {replies: await stage.output(['/usr/bin/python3.11', programPath('memcached_client.py'), String(stage.port)])};
	},
	verify(t, outcome) {
		t.regex(String(outcome['replies']), /^big STORED True\nmany 500 .*\nadd NOT_STORED STORED 42\n/u);
	},
});
