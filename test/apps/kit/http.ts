/** What curl and wrk see of a web server, and the files it serves. */
import {writeFile} from 'node:fs/promises';
import {type Outcome} from './app.js';
import {type Stage} from './stage.js';

const sizes = {empty: 0, small: 1024, page: 40_000, big: 1_048_576, huge: 20_971_520};

/** A document root with files of all sizes. */
export async function writeDocuments(stage: Stage): Promise<string> {
	const root = await stage.makeDirectory('www');
	await Promise.all(Object.entries(sizes).map(async ([name, size]) => writeFile(`${root}/${name}`, content(size))));
	return root;
}

/** Bytes that differ from block to block: a repeated or lost piece changes the sum. */
function content(size: number): Uint8Array {
	const bytes = new Uint8Array(size);
	let state = 1;
	for (let at = 0; at < size; at++) {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		bytes[at] = state >>> 24;
	}

	return bytes;
}

/** The whole use of a web server: keep-alive, ranges, heads, errors, pipelining, load. */
export async function useWebServer(stage: Stage): Promise<Outcome> {
	return {
		keepAlive: await fetchAll(stage, [...Array.from({length: 60}, () => 'small'), 'empty', 'page', 'big', 'small', 'huge', 'page']),
		range: await fetchAll(stage, ['big', 'big'], '--range', '1000-500999'),
		head: await fetchAll(stage, ['huge', 'missing', 'small'], '--head'),
		closing: await fetchAll(stage, ['big', 'small'], '--header', 'Connection: close'),
		slow: await fetchAll(stage, ['huge'], '--limit-rate', '80M'),
		load: await load(stage, 'small', 20),
		bigLoad: await load(stage, 'big', 8),
		pipelined: await load(stage, 'small', 10, await pipelineScript(stage)),
	};
}

/** One curl, one connection if the server agrees: status, size and how many connections it took, then the sum of all bytes. */
async function fetchAll(stage: Stage, names: readonly string[], ...options: readonly string[]): Promise<string> {
	const urls = names.map(name => `http://127.0.0.1:${stage.port}/${name}`);
	const format = '%{stderr}%{http_code} %{size_download} %{num_connects}\n';
	const result = await stage.run(['sh', '-c', 'curl --silent --max-time 30 --write-out "$0" "$@" | sed "/^Date:/Id; /^Last-Modified:/Id; /^ETag:/Id" | sha256sum', format, ...options, ...urls]);
	return `${result.status} ${result.stderr}${result.stdout}`;
}

/** One second of wrk: whether every reply was a good one. */
async function load(stage: Stage, name: string, connections: number, ...options: readonly string[]): Promise<Outcome> {
	const output = await stage.output([
		'wrk', '-t', '2', '-c', String(connections), '-d', '1', ...options, `http://127.0.0.1:${stage.port}/${name}`,
	]);
	const requests = Number(/(\d+) requests in/u.exec(output)?.[1] ?? 0);
	return {someRequests: requests > 20, errors: /(Socket errors|Non-2xx).*/u.exec(output)?.[0]};
}

async function pipelineScript(stage: Stage): Promise<string> {
	const path = stage.path('pipeline.lua');
	await writeFile(path, [
		'init = function(args)',
		'  local r = {}',
		'  for i = 1, 16 do r[i] = wrk.format("GET", "/small") end',
		'  all = table.concat(r)',
		'end',
		'request = function() return all end',
		'',
	].join('\n'));
	return `--script=${path}`;
}
