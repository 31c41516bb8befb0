/** Free ports, and who listens on one. */
import {readFileSync} from 'node:fs';
import {createServer} from 'node:net';

export async function freePort(): Promise<number> {
	return new Promise((resolve, reject) => {
		const server = createServer();
		server.on('error', reject);
		server.listen(0, '127.0.0.1', () => {
			const address = server.address();
			server.close(() => {
				if (address !== null && typeof address === 'object') {
					resolve(address.port);
				} else {
					reject(new Error('the system gave no port'));
				}
			});
		});
	});
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
