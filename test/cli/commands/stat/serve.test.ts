import {once} from 'node:events';
import {request, type IncomingMessage} from 'node:http';
import {createServer, type AddressInfo} from 'node:net';
import {text} from 'node:stream/consumers';
import test, {type ExecutionContext} from 'ava';
import {statTool} from '../../../../cli/commands/stat.js';
import {type Snapshot} from '../../../../cli/control/stat/take-snapshot.js';
import {openPage} from '../../helpers/browser.js';
import {runToolHere} from '../../helpers/run-tool.js';
import {rsstat, startPromoted} from '../../helpers/stat.js';
import {until} from '../../helpers/talker.js';

async function startServer(t: ExecutionContext, args: readonly string[] = []): Promise<{url: string; stop(): Promise<number>}> {
	const controller = new AbortController();
	let printed = '';
	const ended = runToolHere(statTool, ['serve', '--port', '0', ...args], {
		signal: controller.signal,
		onOutput(piece) {
			printed += piece;
		},
	});
	const stop = async (): Promise<number> => {
		controller.abort();
		return (await ended).code;
	};

	t.teardown(stop);
	return {url: await until(() => /http:\S+\/(?=["\n])/.exec(printed)?.[0]), stop};
}

async function ask(url: string, {method = 'GET', headers = {}}: {readonly method?: string; readonly headers?: Record<string, string>} = {}) {
	// A connection each: one that is kept may be closed just when it is used again.
	const sent = request(url, {method, headers, agent: false}).end();
	const [response] = await once(sent, 'response') as [IncomingMessage];
	return {status: response.statusCode, type: response.headers['content-type'], body: await text(response)};
}

test('figures for programs', async t => {
	const {pid} = await startPromoted(t);
	const {url, stop} = await startServer(t);
	const snapshot = await ask(`${url}snapshot.json?x=1`);
	t.like(snapshot, {status: 200, type: 'application/json'});
	const {version, connections, summary} = JSON.parse(snapshot.body) as Snapshot & {version: number; summary: {transports: Record<string, number>}};
	t.is(version, 1);
	t.is(connections.filter(connection => connection.pid === pid).length, 2);
	t.true(summary.transports['shm']! >= 2);
	const metrics = await ask(`${url}metrics`);
	t.is(metrics.type, 'text/plain; version=0.0.4; charset=utf-8');
	t.true(metrics.body.includes(`rsocket_connections{pid="${pid}",program="node",transport="shm",reason="promoted"} 2\n`));
	t.like(await ask(url, {method: 'HEAD'}), {status: 200, type: 'text/html; charset=utf-8', body: ''});
	t.is(await stop(), 0);
	await t.throwsAsync(ask(url), {code: 'ECONNREFUSED'});
});

test('what is refused', async t => {
	const {url} = await startServer(t, ['--json']);
	t.like(await ask(url, {headers: {host: 'attacker.example'}}), {status: 403});
	t.like(await ask(`${url}metrics`, {headers: {host: 'localhost:1'}}), {status: 200});
	t.like(await ask(url, {method: 'POST'}), {status: 405});
	t.like(await ask(`${url}etc/passwd`), {status: 404});
});

test('a port that is taken', async t => {
	const server = createServer().listen(0, '127.0.0.1');
	t.teardown(() => server.close());
	await once(server, 'listening');
	const {port} = server.address() as AddressInfo;
	t.like(await rsstat('serve', '--port', String(port)), {code: 125, stderr: `rsstat: port ${port} of 127.0.0.1 cannot be listened on (EADDRINUSE)\nGive another --port; 0 takes a free one.\n`});
	t.like(await rsstat('serve', '--port', '70000'), {code: 125});
});

test('the page in a browser', async t => {
	const {pid, child} = await startPromoted(t);
	const {url} = await startServer(t);
	const page = await openPage(t, url);
	const rows = `[...document.querySelectorAll('#rows tr')].map(row => [...row.children].map(cell => cell.textContent)).filter(row => row[0] === '${pid}')`;
	const list = await until(async () => {
		const found = await page.evaluate(rows) as string[][] | undefined;
		return found?.length === 2 ? found : undefined;
	});
	t.deepEqual(list.map(row => [row[1], row[5], row[6], row[7]]), [['node', 'ESTAB', 'shm', 'promoted'], ['node', 'ESTAB', 'shm', 'promoted']]);
	// Three plots, each with a history by now.
	const points = await until(async () => {
		const found = await page.evaluate('[...document.querySelectorAll(\'polyline\')].map(line => line.getAttribute(\'points\') ?? \'\')') as string[];
		return found.length > 0 && found.every(line => line.trim().split(' ').length >= 2) ? found : undefined;
	});
	t.is(points.length, 7);
	t.true(points.join(' ').split(/[ ,]/).every(number => Number.isFinite(Number(number))));
	t.regex(await page.evaluate('document.querySelector(\'#plots figure:nth-child(3) .sent\').textContent') as string, /^ sent [1-9]\d*\/s$/);
	await page.evaluate('document.querySelector(\'#filter\').value = \'no such program\'');
	await until(async () => await page.evaluate('document.querySelectorAll(\'#rows tr\').length') === 0 ? true : undefined);
	await page.evaluate('document.querySelector(\'#filter\').value = \'\'');
	child.kill('SIGKILL');
	t.deepEqual(await until(async () => {
		const left = await page.evaluate(rows) as string[][];
		return left.length === 0 ? left : undefined;
	}), []);
});
