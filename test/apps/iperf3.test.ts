/** iperf3: bulk streams in both directions beside a control connection. */
import {type Outcome, testApp} from './kit/app.js';
import {type Stage} from './kit/stage.js';

testApp({
	name: 'iperf3',
	promoted: 8,
	oneWay: true,
	async start(stage) {
		await stage.serve(['iperf3', '-s', '-B', '127.0.0.1', '-p', String(stage.port)]);
	},
	async exercise(stage) {
		return {
			forward: await measure(stage, '-n', '400M'),
			reverse: await measure(stage, '-n', '400M', '-R'),
			parallel: await measure(stage, '-n', '200M', '-P', '4'),
			both: await measure(stage, '-t', '1', '--bidir'),
			small: await measure(stage, '-t', '1', '-l', '64', '-N'),
		};
	},
	verify(t, outcome) {
		t.like(outcome, {forward: {streams: 1, arrived: true}, parallel: {streams: 4, arrived: true}});
	},
});

type Sum = {readonly bytes: number};
type Report = {
	readonly error?: string;
	readonly end: {readonly streams: readonly unknown[]; readonly sum_sent: Sum; readonly sum_received: Sum};
};

/** The receiver may stop before the last bytes have come, on any transport: what buffers hold may be missing. */
const bufferedMax = 64 * 1024 * 1024;

async function measure(stage: Stage, ...options: readonly string[]): Promise<Outcome> {
	const output = await stage.output(['iperf3', '-c', '127.0.0.1', '-p', String(stage.port), '-J', ...options]);
	const {end, error} = JSON.parse(output) as Report;
	if (error !== undefined) {
		throw new Error(`iperf3 ${options.join(' ')}: ${error}`);
	}

	const [sent, received] = [end.sum_sent.bytes, end.sum_received.bytes];
	return {streams: end.streams.length, arrived: received > 0 && received <= sent && received + bufferedMax > sent};
}
