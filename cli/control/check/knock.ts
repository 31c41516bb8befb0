/** Opens a TCP connection on which nothing is ever sent. */
import {once} from 'node:events';
import {connect, type Socket} from 'node:net';
import {CliError, errorCode} from '../cli-error.js';
import {type Ends} from './find-peer.js';

export type Target = {readonly host: string; readonly port: number};

/** `HOST:PORT`, `[ADDRESS]:PORT`, or a port of this host. */
export function parseTarget(text: string): Target {
	const match = /^(?:(?:\[(?<address>[\da-fA-F:.%\w]+)]|(?<name>[^:[\]\s]*)):)?(?<port>\d{1,5})$/.exec(text);
	const port = Number(match?.groups?.['port']);
	if (!match || port < 1 || port > 65_535) {
		throw new CliError(`"${text}" is not of the form HOST:PORT`, {code: 'target', remedy: 'Write for example localhost:6379, 10.0.0.5:80 or [::1]:80.'});
	}

	const host = match.groups?.['address'] ?? match.groups?.['name'] ?? '';
	return {host: host === '' ? '127.0.0.1' : host, port};
}

/** `use` gets the connection's two ends; it is closed afterwards. Throws a CliError when nobody answers. */
export async function knock<Result>({host, port}: Target, timeoutMs: number, use: (ends: Ends) => Promise<Result>): Promise<Result> {
	const socket = connect({host, port});
	try {
		await waitForConnection(socket, `${host}:${port}`, timeoutMs);
		// What the other end does to the connection from here on changes nothing.
		socket.on('error', () => {
			socket.destroy();
		});
		return await use({
			local: socket.localAddress ?? '', localPort: socket.localPort ?? 0, peer: socket.remoteAddress ?? '', peerPort: socket.remotePort ?? 0,
		});
	} finally {
		socket.destroy();
	}
}

async function waitForConnection(socket: Socket, name: string, timeoutMs: number): Promise<void> {
	try {
		await once(socket, 'connect', {signal: AbortSignal.timeout(timeoutMs)});
	} catch (error) {
		const code = error instanceof AggregateError ? errorCode(error.errors.at(-1)) : errorCode(error);
		const [why, remedy] = explanations[code ?? ''] ?? [error instanceof Error ? error.message : String(error), 'Check the address.'];
		throw new CliError(`${name} cannot be reached: ${why}`, {code: 'unreachable', cause: error, remedy});
	}
}

const explanations: Readonly<Record<string, readonly [string, string]>> = {
	ECONNREFUSED: ['nobody listens there', 'Start the server first; check the port.'],
	ENOTFOUND: ['no such host', 'Check the name.'],
	EAI_AGAIN: ['the name cannot be looked up now', 'Check the name, or give the address.'],
	ABORT_ERR: ['no answer in time', 'Check the address and what filters packets between here and there; --timeout waits longer.'],
	EHOSTUNREACH: ['no way to that host', 'Check the address and the routes.'],
	ENETUNREACH: ['no way to that network', 'Check the address and the routes.'],
};
