/** The same test over Node's `net`, which is the oracle, and over rsockets. */
import {once} from 'node:events';
import net, {type AddressInfo, type Server, type ServerOpts, type Socket, type TcpNetConnectOpts} from 'node:net';
import test, {type ExecutionContext} from 'ava';
import {rsocket} from '../../../cli/index.js';

export type Api = Pick<typeof net, 'createConnection' | 'createServer'>;

/** Typed as the oracle: what these tests use, both have. */
export const ours = rsocket as unknown as Api;

export function both(title: string, body: (t: ExecutionContext, api: Api) => Promise<void>): void {
	test(`net: ${title}`, body, net);
	test(`rsocket: ${title}`, body, ours);
}

/** A server that listens on a port of 127.0.0.1 until the test ends, and its connections with it. */
export async function listen(t: ExecutionContext, api: Api, onConnection: (socket: Socket) => void, options: ServerOpts = {}): Promise<Server & {readonly port: number}> {
	const server = api.createServer(options, socket => {
		t.teardown(() => socket.destroy());
		onConnection(socket);
	});
	t.teardown(() => server.close());
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	return Object.assign(server, {port: (server.address() as AddressInfo).port});
}

/** Both ends of a connection. */
export async function connectPair(t: ExecutionContext, api: Api, {server: serverOptions = {}, client: clientOptions = {}, serverApi = api}: {readonly server?: ServerOpts; readonly client?: Partial<TcpNetConnectOpts>; readonly serverApi?: Api} = {}): Promise<{client: Socket; served: Socket; server: Server}> {
	let accept: (socket: Socket) => void;
	const accepted = new Promise<Socket>(resolve => {
		accept = resolve;
	});
	const server = await listen(t, serverApi, socket => {
		accept(socket);
	}, serverOptions);
	const client = api.createConnection({port: server.port, host: '127.0.0.1', ...clientOptions});
	t.teardown(() => client.destroy());
	await once(client, 'connect');
	return {client, served: await accepted, server};
}

export async function readAll(socket: Socket): Promise<string> {
	let text = '';
	for await (const chunk of socket) {
		text += String(chunk);
	}

	return text;
}

/** The names of events in the order in which they come. */
export function record(socket: Socket, ...names: string[]): string[] {
	const log: string[] = [];
	for (const name of names) {
		socket.on(name, (...values: unknown[]) => {
			log.push(name === 'close' ? `close ${String(values[0])}` : name);
		});
	}

	return log;
}

/** A port of 127.0.0.1 on which nobody listens. */
export async function freePort(): Promise<number> {
	const server = net.createServer().listen(0, '127.0.0.1');
	await once(server, 'listening');
	const {port} = server.address() as AddressInfo;
	server.close();
	await once(server, 'close');
	return port;
}

export async function nextError(emitter: Socket | Server): Promise<NodeJS.ErrnoException & {readonly errors?: readonly Error[]}> {
	return new Promise(resolve => {
		emitter.once('error', resolve);
	});
}

/** For a server that does nothing with its connections. */
export function ignore(socket: Socket): void {
	socket.pause();
}
