/** Metrics and a live page over HTTP, for this host only. */
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http';
import {once} from 'node:events';
import {type AddressInfo} from 'node:net';
import {type Native} from '../../native.js';
import {CliError, errorCode} from '../cli-error.js';
import {formatMetrics, metricsType} from './export-metrics.js';
import {page} from './page.js';
import {summarize} from './summarize.js';
import {takeSnapshot, type Snapshot} from './take-snapshot.js';

const address = '127.0.0.1';

/** A page that a browser got elsewhere must not read us by a name that it gave this address. */
const ownNames = /^(?:127\.0\.0\.1|localhost|\[::1])(?::\d+)?$/i;

/** However many look, the processes are read so often. */
const freshMs = 200;

type Answer = {readonly type: string; readonly body: string};

/** Serves until `signal`; `onListening` is told the port. */
export async function serveStatistics(native: Native, {port, signal, onListening}: {readonly port: number; readonly signal: AbortSignal; onListening(port: number): void}): Promise<void> {
	const look = remember(() => takeSnapshot(native));
	const server = createServer((request, response) => {
		void reply(request, response, look);
	});
	server.listen(port, address);
	try {
		await once(server, 'listening', {signal});
	} catch (error) {
		if (signal.aborted) {
			server.close();
			return;
		}

		throw new CliError(`port ${port} of ${address} cannot be listened on (${errorCode(error) ?? 'unknown'})`, {code: 'listen', cause: error, remedy: 'Give another --port; 0 takes a free one.'});
	}

	onListening((server.address() as AddressInfo).port);
	if (!signal.aborted) {
		await new Promise<void>(resolve => {
			signal.addEventListener('abort', () => {
				resolve();
			}, {once: true});
		});
	}

	server.close();
	server.closeAllConnections();
}

function remember(look: () => Snapshot): () => Snapshot {
	let last: {readonly snapshot: Snapshot; readonly at: number} | undefined;
	return () => {
		if (!last || performance.now() - last.at > freshMs) {
			last = {snapshot: look(), at: performance.now()};
		}

		return last.snapshot;
	};
}

async function reply(request: IncomingMessage, response: ServerResponse, look: () => Snapshot): Promise<void> {
	if (!ownNames.test(request.headers.host ?? '')) {
		refuse(response, 403, 'Only by the name of this host.');
		return;
	}

	if (request.method !== 'GET' && request.method !== 'HEAD') {
		refuse(response, 405, 'Only GET.');
		return;
	}

	try {
		const answer = await answerTo(request.url ?? '/', look);
		if (!answer) {
			refuse(response, 404, 'There are / (a page), /metrics (for Prometheus) and /snapshot.json.');
			return;
		}

		response.writeHead(200, {
			'content-type': answer.type, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff',
			'content-security-policy': 'default-src \'none\'; connect-src \'self\'; style-src \'unsafe-inline\'; script-src \'unsafe-inline\'; frame-ancestors \'none\'',
		});
		response.end(request.method === 'HEAD' ? undefined : answer.body);
	} catch (error) {
		refuse(response, 500, error instanceof Error ? error.message : String(error));
	}
}

function refuse(response: ServerResponse, status: number, text: string): void {
	response.writeHead(status, {'content-type': 'text/plain; charset=utf-8', ...(status === 405 && {allow: 'GET, HEAD'})});
	response.end(`${text}\n`);
}

async function answerTo(url: string, look: () => Snapshot): Promise<Answer | undefined> {
	return routes.get(url.replace(/\?.*$/s, ''))?.(look);
}

const routes: ReadonlyMap<string, (look: () => Snapshot) => Answer | Promise<Answer>> = new Map(Object.entries({
	'/': () => ({type: 'text/html; charset=utf-8', body: page}),
	'/metrics': async (look: () => Snapshot) => ({type: metricsType, body: await formatMetrics(look())}),
	'/snapshot.json'(look: () => Snapshot) {
		const snapshot = look();
		return {type: 'application/json', body: JSON.stringify({version: 1, ...snapshot, summary: summarize(snapshot)})};
	},
}));
