/** PostgreSQL: a process per connection, forked after accept, with latches woken by signals. */
import {chmodSync, readdirSync} from 'node:fs';
import {setTimeout} from 'node:timers/promises';
import {findAccount} from './kit/account.js';
import {type Outcome, testApp} from './kit/app.js';
import {type Account} from './kit/child.js';
import {mixes, promotingMixes} from './kit/mix.js';
import {type Stage} from './kit/stage.js';

const root = '/usr/lib/postgresql';

function tool(name: string): string {
	const newest = readdirSync(root).map(Number).toSorted((a, b) => b - a)[0];
	return `${root}/${newest}/bin/${name}`;
}

const owner = findAccount('postgres');
const clients: ReadonlyArray<readonly [string, Account | undefined]> = [['the server\'s user', owner], ['root', undefined]];

for (const [who, account] of clients) {
	testApp({
		name: `PostgreSQL, client run by ${who}`,
		promoted: 4,
		mixes: account ? mixes : promotingMixes,
		async start(stage) {
			const data = await stage.makeDirectory('data', owner);
			const sockets = await stage.makeDirectory('sockets', owner);
			chmodSync(data, 0o700);
			await stage.prepare([tool('initdb'), '-D', data, '-A', 'trust', '-U', 'postgres', '--no-sync', '--no-locale', '-E', 'SQL_ASCII'], {account: owner});
			await stage.serve([
				tool('postgres'), '-D', data, '-p', String(stage.port), '-h', '127.0.0.1', '-k', sockets, '-c', 'fsync=off', '-c', 'max_connections=40',
			], {account: owner});
		},
		async exercise(stage) {
			return useDatabase(stage, account);
		},
		verify(t, outcome) {
			t.like(outcome, {selects: '2000/2000', updates: '800/800', balances: '0|800\n', rows: 100_001, waited: 'timeout'});
		},
	});
}

async function useDatabase(stage: Stage, account: Account | undefined): Promise<Outcome> {
	const options = account ? {account} : {};
	const target = ['-h', '127.0.0.1', '-p', String(stage.port), '-U', 'postgres', 'postgres'];
	const bench = async (...more: readonly string[]): Promise<string> => stage.output([tool('pgbench'), ...more, ...target], options);
	const query = async (text: string): Promise<string> => stage.output([tool('psql'), '-XqAt', '-v', 'ON_ERROR_STOP=0', ...target], {...options, input: text});
	await startUp(stage);
	await bench('-i', '-q', '-s', '1');
	return {
		selects: transactions(await bench('-S', '-n', '-c', '4', '-j', '2', '-t', '500')),
		updates: transactions(await bench('-n', '-c', '4', '-j', '1', '-t', '200', '-M', 'prepared')),
		balances: await query(`
			SELECT (SELECT sum(abalance) FROM pgbench_accounts) - (SELECT sum(delta) FROM pgbench_history), count(*) FROM pgbench_history;`),
		rows: (await query('COPY (SELECT i, repeat(\'x\', i % 300) FROM generate_series(1, 100000) i) TO STDOUT;')).split('\n').length,
		sum: await query('SELECT md5(string_agg(repeat(\'ab\', i % 100), \',\' ORDER BY i)) FROM generate_series(1, 50000) i;'),
		loaded: await query([
			'CREATE TEMP TABLE t (i int, s text);',
			'COPY t FROM STDIN;',
			...Array.from({length: 20_000}, (_, i) => `${i}\t${'y'.repeat(i % 90)}`),
			String.raw`\.`,
			'SELECT count(*), sum(i), sum(length(s)) FROM t;',
		].join('\n')),
		waited: await waitForTimeout(query),
		notified: await query('LISTEN news; NOTIFY news, \'hello\'; SELECT 1;').then(text => text.replace(/PID \d+/u, 'PID')),
		many: (await query(Array.from({length: 500}, (_, i) => `SELECT ${i};`).join('\n'))).split('\n').length,
	};
}

/** The server listens before it is ready. */
async function startUp(stage: Stage): Promise<void> {
	for (let attempt = 0; ; attempt++) {
		try {
			await stage.output([tool('pg_isready'), '-q', '-h', '127.0.0.1', '-p', String(stage.port)]);
			return;
		} catch (error) {
			if (attempt === 100) {
				throw error;
			}

			await setTimeout(100);
		}
	}
}

/** A statement that the server's own timer, a signal, must end. */
async function waitForTimeout(query: (text: string) => Promise<string>): Promise<string> {
	const seconds = await query(String.raw`
		SET statement_timeout = 300;
		SELECT extract(epoch FROM clock_timestamp()) AS t0 \gset
		SELECT pg_sleep(20);
		SELECT extract(epoch FROM clock_timestamp()) - :t0 < 10;`);
	return seconds.trim() === 't' ? 'timeout' : seconds;
}

function transactions(output: string): string | undefined {
	return /number of transactions actually processed: (\S+)/u.exec(output)?.[1];
}
