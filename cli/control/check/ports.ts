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
			const [, local = '', peer = '', state, , , , uid, , inode] = line.trim().split(/\s+/);
			return {...end('local', local), ...end('peer', peer), isListening: state === '0A', uid: Number(uid), inode: Number(inode)} as TcpRow;
		});
	});
}

/** Looks without connecting: a probe would be a client to the server. */
export function isListening(port: number): boolean {
	return readTcpTable().some(row => row.isListening && row.localPort === port);
}

function end(name: 'local' | 'peer', text: string): Record<string, string | number> {
	const [address = '', port = ''] = text.split(':');
	return {[name]: address, [`${name}Port`]: Number.parseInt(port, 16)};
}
