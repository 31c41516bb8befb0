/** Who is at the other end of a connection, as far as we may see. */
import {findHolders} from '../check/find-owner.js';
import {inspectProcess} from '../check/inspect-process.js';
import {proc} from './read-process.js';
import {SocketTables} from './sockets.js';
import {type LiveConnection} from './take-snapshot.js';

export type OtherEnd
	/** Shows itself. */
	= | {readonly kind: 'visible'; readonly connection: LiveConnection}
	/** On this host, with these processes; `hasLibrary`: runs under the toolkit, and yet shows nothing of this connection. */
		| {readonly kind: 'process'; readonly pid: number; readonly program: string; readonly hasLibrary: boolean}
	/** On this host, but of a process that we may not look into. */
		| {readonly kind: 'hidden'}
	/** Not in the network namespace of this end: on another host, in a container, behind a proxy; or it has ended. */
		| {readonly kind: 'elsewhere'};

export function findOtherEnd(connection: LiveConnection, connections: readonly LiveConnection[], root = proc): OtherEnd {
	const {pid, local, peer} = connection;
	const other = connections.find(candidate => candidate.local === peer && candidate.peer === local && candidate !== connection);
	if (other) {
		return {kind: 'visible', connection: other};
	}

	const socket = local === '-' ? undefined : new SocketTables(root).find(pid, -1, {local: peer, peer: local});
	if (!socket || socket.inode === 0) {
		return {kind: 'elsewhere'};
	}

	const facts = findHolders(socket.inode).map(holder => inspectProcess(holder, socket.inode, root)).find(found => found !== undefined);
	return facts ? {kind: 'process', pid: facts.pid, program: facts.program, hasLibrary: facts.library !== undefined} : {kind: 'hidden'};
}
