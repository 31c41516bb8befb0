/** Small conversations over TCP, long enough for both ends to find each other. */
import {once} from 'node:events';
import {connect, createServer, type AddressInfo, type Server, type Socket} from 'node:net';

export type Conversation = {
	readonly host: string;
	readonly port: number;
	/** Sent again after each answer. */
	readonly text: string;
	readonly count: number;
	/** For one answer. */
	readonly answerMs: number;
};

/** How often anything was answered. Ends early when the other end is silent or closes. */
export async function converse({host, port, text, count, answerMs}: Conversation): Promise<number> {
	const socket = connect({host, port, noDelay: true});
	try {
		await once(socket, 'connect');
		let answers = 0;
		// eslint-disable-next-line no-await-in-loop
		while (answers < count && await ask(socket, text, answerMs)) {
			answers++;
		}

		return answers;
	} finally {
		socket.destroy();
	}
}

/** Both ends in this process. */
export async function converseAlone(count: number): Promise<number> {
	const server = createServer({noDelay: true}, socket => {
		socket.pipe(socket).on('error', destroy);
	});
	const port = await listen(server);
	try {
		return await converse({host: '127.0.0.1', port, text: 'rscheck', count, answerMs: 5000});
	} finally {
		server.close();
	}
}

function destroy(this: Socket): void {
	this.destroy();
}

async function listen(server: Server): Promise<number> {
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	return (server.address() as AddressInfo).port;
}

async function ask(socket: Socket, text: string, answerMs: number): Promise<boolean> {
	const timer = AbortSignal.timeout(answerMs);
	socket.write(text);
	try {
		const event = await Promise.race([once(socket, 'data', {signal: timer}), once(socket, 'close', {signal: timer})]);
		return event.length === 1 && typeof event[0] === 'object';
	} catch {
		return false;
	}
}
