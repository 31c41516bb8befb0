/** Free ports, and whether somebody listens on one. */
import {readFile} from 'node:fs/promises';
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

/** Looks without connecting: a probe would be a client to the server. */
export async function isListening(port: number): Promise<boolean> {
	const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
	const tables = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map(async path => readFile(path, 'utf8')));
	return tables.join('\n').split('\n').some(line => {
		const [, local, , state] = line.trim().split(/\s+/u);
		return state === '0A' && local?.endsWith(wanted);
	});
}
