/** Redis: one thread, one epoll set, many clients. */
import {createHash} from 'node:crypto';
import {testApp} from './kit/app.js';
import {type Stage} from './kit/stage.js';

testApp({
	name: 'redis',
	promoted: 20,
	async start(stage) {
		await stage.serve([
			'redis-server', '--port', String(stage.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', stage.directory,
		]);
	},
	async exercise(stage) {
		return {
			script: await script(stage),
			big: await bigValue(stage),
			bulk: await bulkLoad(stage),
			benchmark: await benchmark(stage, 1),
			pipelined: await benchmark(stage, 16),
			keys: await cli(stage, 'DBSIZE\n'),
		};
	},
	verify(t, outcome) {
		t.like(outcome, {benchmark: ['SET', 'GET', 'LPUSH'], pipelined: ['SET', 'GET', 'LPUSH'], bulk: 'errors: 0, replies: 20000'});
		t.regex(String(outcome['script']), /value 299/u);
	},
});

async function cli(stage: Stage, input: string, ...options: readonly string[]): Promise<string> {
	return stage.output(['redis-cli', '-h', '127.0.0.1', '-p', String(stage.port), ...options], {input});
}

/** Some hundred commands over one connection, of every kind of reply. */
async function script(stage: Stage): Promise<string> {
	const lines = Array.from({length: 300}, (_, index) => [
		`SET key:${index} "value ${index}"`, `GET key:${index}`, 'INCR counter', `RPUSH list ${index}`, `HSET hash field${index} ${index}`,
	]).flat();
	return cli(stage, [
		...lines, 'LRANGE list 0 -1', 'HLEN hash', 'GET missing', 'LPOP key:1', 'MULTI', 'INCR counter', 'GET counter', 'EXEC',
		'BLPOP nothing 0.2', 'EVAL "return redis.call(\'LLEN\', KEYS[1])" 1 list', 'ECHO end', '',
	].join('\n'));
}

async function bigValue(stage: Stage): Promise<string> {
	const value = Array.from({length: 200_000}, (_, index) => String(index)).join(' ');
	await cli(stage, value, '-x', 'SET', 'big');
	const back = await cli(stage, '', 'GET', 'big');
	return createHash('sha256').update(back).digest('hex');
}

async function bulkLoad(stage: Stage): Promise<string> {
	const commands = Array.from({length: 20_000}, (_, index) => `SET bulk:${index} ${'x'.repeat(1 + (index % 200))}\r\n`).join('');
	const output = await cli(stage, commands, '--pipe');
	return output.trim().split('\n').at(-1) ?? '';
}

/** The names of the tests that redis-benchmark finished. */
async function benchmark(stage: Stage, pipeline: number): Promise<string[]> {
	const output = await cliBenchmark(stage, pipeline);
	return output.trim().split('\n').slice(1).map(line => line.split('"')[1] ?? line);
}

async function cliBenchmark(stage: Stage, pipeline: number): Promise<string> {
	return stage.output([
		'redis-benchmark', '-h', '127.0.0.1', '-p', String(stage.port), '-t', 'set,get,lpush', '-n', '20000', '-c', '20', '-P', String(pipeline), '--csv',
	]);
}
