/** A JVM: selectors, blocking sockets (which it polls) and asynchronous channels (an epoll set that threads share). */
import {testApp} from './kit/app.js';
import {programPath} from './kit/paths.js';
import {type Stage} from './kit/stage.js';

const options = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xmx128m'];

testApp({
	name: 'java nio',
	promoted: 9,
	async start(stage) {
		await stage.prepare(['javac', '-J-Xmx256m', '-d', await stage.makeDirectory('classes'), programPath('NioEcho.java')]);
		await stage.serve(command(stage, 'serve'));
	},
	async exercise(stage) {
		return {sums: await stage.output(command(stage, 'drive'))};
	},
	verify(t, outcome) {
		t.regex(String(outcome['sums']), /^(\w{64}\n){9}$/u);
	},
});

function command(stage: Stage, part: string): string[] {
	return ['java', ...options, '-cp', stage.path('classes'), 'NioEcho', part, String(stage.port)];
}
