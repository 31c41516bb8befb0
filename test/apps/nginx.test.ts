/** nginx: prefork workers, edge-triggered epoll, sendfile. */
import {testApp} from './kit/app.js';
import {useWebServer} from './kit/http.js';
import {startNginx} from './kit/nginx.js';

testApp({
	name: 'nginx',
	promoted: 30,
	async start(stage) {
		await startNginx(stage, stage.port);
	},
	exercise: useWebServer,
	verify(t, outcome) {
		t.like(outcome, {load: {someRequests: true, errors: undefined}, pipelined: {someRequests: true, errors: undefined}});
		t.regex(String(outcome['keepAlive']), /^0 200 1024 1\n(200 1024 0\n){59}/u);
	},
});
