/** Which connections `PID:FD` or `ADDR:PORT` means. */
import {lookup} from 'node:dns/promises';
import {isIP} from 'node:net';
import {plainAddress} from '../check/find-peer.js';
import {CliError, errorCode} from '../cli-error.js';
import {type LiveConnection} from './take-snapshot.js';

/** Throws when there is none. An address may be at either end. */
export async function findTarget(text: string, connections: readonly LiveConnection[]): Promise<LiveConnection[]> {
	const found = await search(text, connections);
	if (found.length > 0) {
		return found;
	}

	throw new CliError(`no connection that can be seen is ${text}`, {
		code: 'no-connection', exitCode: 1, remedy: 'rsstat lists those that can. Only processes started by rsrun show theirs; those of other users show them to root only.',
	});
}

async function search(text: string, connections: readonly LiveConnection[]): Promise<LiveConnection[]> {
	const [, pid, fd] = /^(\d+):(\d+)$/.exec(text) ?? [];
	if (pid !== undefined) {
		return connections.filter(connection => connection.pid === Number(pid) && connection.fd === Number(fd));
	}

	const [, name = '', port = ''] = /^\[?([^[\]]*)]?:(\d+)$/.exec(text) ?? [];
	if (port === '') {
		throw new CliError(`${text} is neither PID:FD nor ADDR:PORT`, {code: 'usage', remedy: 'Give for example 4711:8, 127.0.0.1:6379, [::1]:6379 or :6379.'});
	}

	const addresses = name === '' || name === '*' ? undefined : await resolve(name);
	const fits = (end: string): boolean => end.endsWith(`:${port}`) && (addresses === undefined || addresses.some(address => end === `${address}:${port}`));
	return connections.filter(({local, peer}) => fits(local) || fits(peer));
}

/** As they are written in ends. */
async function resolve(name: string): Promise<string[]> {
	try {
		const found = isIP(name) === 0 ? await lookup(name, {all: true}) : [{address: name}];
		return found.map(({address}) => plainAddress(address)).map(address => address.includes(':') ? `[${address}]` : address);
	} catch (error) {
		throw new CliError(`${name} is no address and has none (${errorCode(error) ?? 'unknown'})`, {code: 'no-address', cause: error, remedy: 'Give an address.'});
	}
}
