/** What the kernel says of the TCP sockets of a network namespace. */
import {Buffer} from 'node:buffer';
import {formatAddress} from '../describe-connection.js';
import {readLink, readText} from './read-process.js';

export type Socket = {
	readonly inode: number;
	readonly local: string;
	readonly peer: string;
	/** As ss(8) writes it: ESTAB, CLOSE-WAIT. */
	readonly state: string;
};

const states = ['UNKNOWN', 'ESTAB', 'SYN-SENT', 'SYN-RECV', 'FIN-WAIT-1', 'FIN-WAIT-2', 'TIME-WAIT', 'CLOSE', 'CLOSE-WAIT', 'LAST-ACK', 'LISTEN', 'CLOSING'];
const families = {tcp: 2, tcp6: 10} as const;

/** Reads each namespace's tables once. */
export class SocketTables {
	readonly #root: string;
	readonly #tables = new Map<string, readonly Socket[]>();
	readonly #indices = new Map<string, ReadonlyMap<string | number, Socket>>();

	constructor(root: string) {
		this.#root = root;
	}

	/** The socket behind a descriptor of a process; or, if that is another one by now, the one between these ends. */
	find(pid: number, fd: number, {local, peer}: {readonly local: string; readonly peer: string}): Socket | undefined {
		const index = this.#index(pid);
		const inode = Number(/^socket:\[(\d+)]$/.exec(readLink(`${this.#root}/${pid}/fd/${fd}`))?.[1] ?? 0);
		const socket = index.get(inode);
		const isUnknown = local.endsWith(':0');
		return socket && (isUnknown || socket.local === local) ? socket : index.get(`${local} ${peer}`);
	}

	#index(pid: number): ReadonlyMap<string | number, Socket> {
		const namespace = readLink(`${this.#root}/${pid}/ns/net`) || String(pid);
		const known = this.#indices.get(namespace);
		if (known) {
			return known;
		}

		const sockets = this.#tables.get(namespace) ?? readSockets(`${this.#root}/${pid}/net`);
		const index = new Map<string | number, Socket>(sockets.flatMap(socket => [[socket.inode, socket], [`${socket.local} ${socket.peer}`, socket]]));
		// Sockets in TIME-WAIT have none.
		index.delete(0);
		this.#indices.set(namespace, index);
		return index;
	}
}

function readSockets(directory: string): Socket[] {
	return Object.entries(families).flatMap(([name, family]) => readText(`${directory}/${name}`).trim().split('\n').slice(1).map(line => {
		// Number, local end, peer's end, state, queues, timer, retransmissions, user, timeout, inode.
		const words = line.trim().split(/\s+/);
		return {
			inode: Number(words[9]), local: readEnd(words[1], family), peer: readEnd(words[2], family),
			state: states[Number.parseInt(words[3] ?? '', 16)] ?? 'UNKNOWN',
		};
	}));
}

/** Words of the machine's byte order, as the kernel prints them. */
function readEnd(text: string | undefined, family: number): string {
	const [address = '', port = ''] = text?.split(':') ?? [];
	const bytes = Buffer.from(address, 'hex');
	return formatAddress(family, bytes.swap32(), Number.parseInt(port, 16));
}
