/** Free ports, and who listens on one. */
import {randomInt} from 'node:crypto';
import {once} from 'node:events';
import {readFileSync} from 'node:fs';
import {createServer, type AddressInfo} from 'node:net';

/** Below the range from which connections take their own ports: none of them can be faster than the server that is to have it. */
export async function freePort(): Promise<number> {
	const highest = Math.min(portOfConnections(), 32_768) - 1;
	for (let attempts = highest > lowest ? 100 : 0; attempts > 0; attempts--) {
		const port = randomInt(lowest, highest + 1);
		// eslint-disable-next-line no-await-in-loop
		if (await tryPort(port) !== undefined) {
			return port;
		}
	}

	const port = await tryPort(0);
	if (port === undefined) {
		throw new Error('the system has no free port');
	}

	return port;
}

const lowest = 10_000;

function portOfConnections(): number {
	try {
		return Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10);
	} catch {
		return 0;
	}
}

/** The port, if it can be listened on now. */
async function tryPort(port: number): Promise<number | undefined> {
	const server = createServer();
	try {
		server.listen(port, '0.0.0.0');
		await once(server, 'listening');
		return (server.address() as AddressInfo).port;
	} catch {
		return undefined;
	} finally {
		server.close();
	}
}

/** A row of /proc/net/tcp or tcp6; addresses as hexadecimal words of this machine. */
export type TcpRow = {
	readonly local: string;
	readonly localPort: number;
	readonly peer: string;
	readonly peerPort: number;
	readonly isListening: boolean;
	readonly uid: number;
	/** 0: nobody has accepted it yet. */
	readonly inode: number;
};

export function readTcpTable(root = '/proc/net'): TcpRow[] {
	return ['tcp', 'tcp6'].flatMap(name => {
		let text: string;
		try {
			text = readFileSync(`${root}/${name}`, 'utf8');
		} catch {
			return [];
		}

		return text.trim().split('\n').slice(1).map(line => {
			// Number, local end, peer's end, state, queues, timer, retransmissions, user, timeout, inode.
			const words = line.trim().split(/\s+/);
			const [local, localPort] = readEnd(words[1]);
			const [peer, peerPort] = readEnd(words[2]);
			return {local, localPort, peer, peerPort, isListening: words[3] === '0A', uid: Number(words[7]), inode: Number(words[9])};
		});
	});
}

/** Looks without connecting: a probe would be a client to the server. */
export function isListening(port: number): boolean {
	return readTcpTable().some(row => row.isListening && row.localPort === port);
}

function readEnd(text = ''): [string, number] {
	const [address = '', port = ''] = text.split(':');
	return [address, Number.parseInt(port, 16)];
}
