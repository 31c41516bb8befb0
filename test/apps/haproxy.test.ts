/** HAProxy in front of nginx: a program that is server and client at once, and splices between the two. */
import {writeFile} from 'node:fs/promises';
import {testApp} from './kit/app.js';
import {useWebServer} from './kit/http.js';
import {startNginx} from './kit/nginx.js';
import {type Stage} from './kit/stage.js';

testApp({
	name: 'haproxy',
	promoted: 20,
	async start(stage) {
		const back = await stage.anotherPort();
		await startNginx(stage, back);
		await startProxy(stage, back);
	},
	exercise: useWebServer,
	inner: stage => [[stage.ports[1] ?? 0, 2]],
	verify(t, outcome) {
		t.like(outcome, {load: {someRequests: true, errors: undefined}});
		t.regex(String(outcome['keepAlive']), /^0 200 1024 1\n(200 1024 0\n){59}/u);
	},
});

async function startProxy(stage: Stage, back: number): Promise<void> {
	const path = stage.path('haproxy.cfg');
	await writeFile(path, `
global
	maxconn 500
	nbthread 2
defaults
	mode http
	option http-keep-alive
	option splice-auto
	timeout connect 5s
	timeout client 30s
	timeout server 30s
listen front
	bind 127.0.0.1:${stage.port}
	server back 127.0.0.1:${back}
`);
	await stage.serve(['/usr/sbin/haproxy', '-db', '-f', path]);
}
