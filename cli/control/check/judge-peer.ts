/** Whether the process at the other end of a connection would let it leave TCP. */
import {readFileSync} from 'node:fs';
import {preloadLibrary, type Native} from '../../native.js';
import {findObstacle, type System} from '../find-obstacle.js';
import {toRaw} from '../raw.js';
import {findRefusal, type Side} from './decide-side.js';
import {plainAddress, type Ends, type FoundPeer} from './find-peer.js';
import {type ProcessFacts} from './inspect-process.js';
import {readImports} from './read-imports.js';

export type PeerVerdict = 'promotes' | 'stays' | 'unknown';

export type PeerJudgement = {
	readonly verdict: PeerVerdict;
	/** What would carry the connection; undefined: not known. */
	readonly transport: 'shm' | 'tcp' | undefined;
	/** A reason of core/reason.def; or `not-visible`. */
	readonly reason: string;
	readonly text: string;
	readonly remedy: string;
};

export type PeerSubject = {
	/** Undefined: nothing in this namespace is the other end. */
	readonly peer: FoundPeer | undefined;
	/** Those that hold its socket and that we may look into. */
	readonly processes: readonly ProcessFacts[];
	readonly ends: Ends;
	/** Our end, as a client under the toolkit would be. */
	readonly own: Pick<Side, 'program' | 'settings' | 'rules' | 'configDirectory'>;
	/** System-call filters of this process: inherited ones are ours too. */
	readonly ownFilters: number;
};

export function judgePeer({peer, processes, ends, own, ownFilters}: PeerSubject, system: System, native: Native): PeerJudgement {
	const reasons = native.reasons();
	const stay = (code: string, detail: string, remedy?: string): PeerJudgement => {
		const reason = reasons.find(row => row.code === code);
		return {verdict: 'stays', transport: 'tcp', reason: code, text: `${reason?.text ?? code} ${detail}`, remedy: remedy ?? reason?.remedy ?? ''};
	};

	if (!peer) {
		return stay('remote', 'What answers is another host, another container or something between that translates addresses.', 'Run both ends on one host and in one network namespace; nothing else than shared memory is faster in this version.');
	}

	const process = processes.find(({library}) => library !== undefined) ?? processes[0];
	if (!process) {
		return {
			verdict: 'unknown', transport: undefined, reason: 'not-visible', text: `The other end belongs to user ${peer.uid}, whose processes this user may not look into.`,
			remedy: 'Run this as that user or as root; or let it talk: --send with something that the server answers.',
		};
	}

	const name = `${process.program} (${process.pid})`;
	const launch = `Start it with rsrun: rsrun -- ${process.program} ...`;
	if (process.library === undefined) {
		const obstacle = findObstacle(toRaw(process.executable), system);
		return stay('peer-absent', `${name} has not loaded the library${obstacle ? `: it ${obstacle.description}` : ''}.`, obstacle ? 'Run a dynamically linked build of it with rsrun.' : launch);
	}

	if (readImports(process.library)?.libraries.some(library => library.startsWith('librdmacm'))) {
		return stay('peer-absent', `${name} has loaded the librspreload.so of rdma-core instead.`, launch);
	}

	const theirs = findRefusal({...process, settings: process.settings ?? '', role: 'server', address: plainAddress(ends.local), port: ends.peerPort}, native);
	if (theirs) {
		return stay(theirs.code, `${name} has it from ${theirs.where}.`);
	}

	const ours = findRefusal({...own, role: 'client', address: plainAddress(ends.peer), port: ends.peerPort}, native);
	if (ours) {
		return stay(ours.code, `This end has it from ${ours.where}.`);
	}

	if (process.filters > ownFilters) {
		return stay('seccomp', `${name} has ${process.filters}.`, 'Switch its sandbox off if its connections are to be promoted.');
	}

	if (peer.isAccepted && process.descriptors.length > 0 && process.descriptors.every(descriptor => descriptor <= 2)) {
		return stay('stdio', `${name} has it there.`);
	}

	return {
		verdict: 'promotes', transport: 'shm', reason: 'promoted',
		text: `${name} has loaded the library: connections to it are promoted when the client runs under the toolkit too.${process.settings === undefined ? ' (It has overwritten its environment: settings there cannot be seen.)' : ''}`,
		remedy: isOtherBuild(process.library) ? 'It runs another build of the library than this one: restart it if they do not meet.' : 'Start the client with rsrun.',
	};
}

function isOtherBuild(library: string): boolean {
	try {
		return !readFileSync(library).equals(readFileSync(preloadLibrary));
	} catch {
		return false;
	}
}
