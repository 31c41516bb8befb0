/** Runs an ordinary server and client plain and under rsrun, and prints both results and their ratio. */
import {execFile, spawn} from 'node:child_process';
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {connect, createServer} from 'node:net';
import {tmpdir} from 'node:os';
import path from 'node:path';
import process from 'node:process';
import {setTimeout as sleep} from 'node:timers/promises';
import {fileURLToPath, URL} from 'node:url';
import {promisify} from 'node:util';

const rsrun = fileURLToPath(new URL('../cli/rsrun.sh', import.meta.url));
const run = promisify(execFile);

const loads = [
	{name: '50 clients', args: ['-c', '50', '-n', '200000']},
	{name: '1 client', args: ['-c', '1', '-n', '50000']},
];

async function findFreePort() {
	const server = createServer().listen(0, '127.0.0.1');
	await new Promise(resolve => {
		server.once('listening', resolve);
	});
	const {port} = server.address();
	await new Promise(resolve => {
		server.close(resolve);
	});
	return port;
}

async function waitForPort(port) {
	for (let tries = 0; tries < 100; tries++) {
		const isOpen = await new Promise(resolve => {
			const socket = connect(port, '127.0.0.1');
			socket.once('connect', () => {
				socket.destroy();
				resolve(true);
			});
			socket.once('error', () => {
				resolve(false);
			});
		});
		if (isOpen) {
			return;
		}

		await sleep(50);
	}

	throw new Error('redis-server did not start');
}

/** The command itself, or rsrun in front of it, with a report to `file`. */
function underRsrun(file, command) {
	return file === undefined ? command : [rsrun, `--report=json:${file}`, '--', ...command];
}

/** Resolves to the rows of one side: {load, test, requests a second, median latency in ms}. */
async function measure(directory, isPlain) {
	const report = name => isPlain ? undefined : path.join(directory, name);
	const port = String(await findFreePort());
	const [serverProgram, ...serverArgs] = underRsrun(report('server'), ['redis-server', '--port', port, '--bind', '127.0.0.1', '--save', '', '--dir', directory]);
	const server = spawn(serverProgram, serverArgs, {stdio: ['ignore', 'ignore', 'inherit']});
	const hasEnded = new Promise(resolve => {
		server.once('exit', resolve);
	});
	const rows = [];
	try {
		await waitForPort(port);
		for (const [index, {name, args}] of loads.entries()) {
			const [program, ...rest] = underRsrun(report(`client-${index}`), ['redis-benchmark', '-p', port, '-t', 'set,get', '--csv', ...args]);
			const {stdout} = await run(program, rest);
			for (const line of stdout.trim().split('\n').slice(1)) {
				// "test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms",...
				const cells = line.split(',').map(cell => cell.replaceAll('"', ''));
				rows.push({
					load: name, test: cells[0], rate: Number(cells[1]), median: Number(cells[4]),
				});
			}
		}
	} finally {
		server.kill('SIGTERM');
		await hasEnded;
	}

	return rows;
}

function printTable(table) {
	const widths = table[0].map((_, column) => Math.max(...table.map(row => row[column].length)));
	for (const row of table) {
		console.log(row.map((cell, column) => column < 2 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])).join('  ').trimEnd());
	}
}

/** Resolves to the number of promoted connections. */
async function printReport(file, title) {
	const {summary, connections, reasons} = JSON.parse(await readFile(file, 'utf8'));
	console.log(`${title}: ${summary.promoted} of ${summary.connections} connections promoted, ${(summary.shmBytes / Math.max(summary.bytes, 1) * 100).toFixed(1)} % of bytes through shared memory`);
	for (const {code, text} of reasons) {
		const count = connections.filter(connection => connection.reason === code && !connection.isPromoted).length;
		if (count > 0) {
			console.log(`    ${count} not: ${text} (${code})`);
		}
	}

	return summary.promoted;
}

const directory = await mkdtemp(path.join(tmpdir(), 'rsrun-demo-'));
try {
	console.log('redis-server and redis-benchmark on kernel TCP ...');
	const plain = await measure(directory, true);
	console.log('the same two programs under rsrun ...\n');
	const fast = await measure(directory, false);

	printTable([
		['', '', 'kernel TCP', 'rsrun', 'ratio', 'median kernel', 'median rsrun'],
		...plain.map((row, index) => {
			const other = fast[index];
			return [row.load, row.test, `${Math.round(row.rate)}/s`, `${Math.round(other.rate)}/s`, `${(other.rate / row.rate).toFixed(1)}x`, `${row.median.toFixed(3)} ms`, `${other.median.toFixed(3)} ms`];
		}),
	]);
	console.log('');
	const promoted = await printReport(path.join(directory, 'server'), 'redis-server');
	for (const [index, {name}] of loads.entries()) {
		await printReport(path.join(directory, `client-${index}`), `redis-benchmark, ${name}`);
	}

	if (promoted === 0) {
		throw new Error('no connection was promoted');
	}
} catch (error) {
	console.error(`demo: ${error.message}`);
	process.exitCode = 1;
} finally {
	await rm(directory, {recursive: true, force: true});
}
