/** Whether a connection to a server that is running would leave TCP: looked at, and tried. */
import process from 'node:process';
import {type Native} from '../../native.js';
import {CliError} from '../cli-error.js';
import {toRaw} from '../raw.js';
import {type Conversation} from './converse.js';
import {readEscapes} from './escapes.js';
import {findHolders} from './find-owner.js';
import {findPeer} from './find-peer.js';
import {inspectProcess} from './inspect-process.js';
import {judgePeer, type PeerJudgement} from './judge-peer.js';
import {knock, parseTarget, type Target} from './knock.js';
import {ownSystem} from './own-system.js';
import {readTcpTable} from './ports.js';
import {probe} from './probe.js';

/** After so many answers both ends have looked for each other several times. */
const answersEnough = 16;

/** What a conversation showed. */
type Talk = {readonly sent: string; readonly count: number; readonly answers: number; readonly promoted: boolean; readonly bytes: number; readonly shmBytes: number};

export type LiveSubject = {
	/** What the server answers each time, with escapes; undefined: nothing is sent. */
	readonly send: string | undefined;
	readonly count: number;
	/** For the connection, and for each answer. */
	readonly timeoutMs: number;
	/** The client whose rules count at this end. */
	readonly program: string;
	/** Of settings. */
	readonly directory: string;
	readonly env: Readonly<Record<string, string | undefined>>;
	readonly native: Native;
	readonly signal: AbortSignal;
};

export type LiveJudgement = PeerJudgement & {
	readonly peer: string;
	/** Of the other end, where it is on this host. */
	readonly uid?: number;
	/** Those that hold the other end, and that we may look into. */
	readonly processes: ReadonlyArray<{readonly pid: number; readonly program: string; readonly executable: string; readonly library: string | null; readonly settings: string | null}>;
	/** With `send` only. */
	readonly talk?: Talk;
};

/** `peer`: `HOST:PORT`, `[ADDRESS]:PORT` or a port of this host. Throws a CliError where nobody answers. */
export async function checkLive(peer: string, subject: LiveSubject): Promise<LiveJudgement> {
	const {send, count, timeoutMs, native} = subject;
	const target = parseTarget(peer);
	const text = send === undefined ? undefined : readEscapes(send);
	const {judgement, ...seen} = await look(target, subject);
	const talk = text === undefined ? undefined : await hold({...target, text, count, answerMs: timeoutMs}, subject);
	return {peer, ...(talk ? correct(judgement, talk, native) : judgement), ...seen, ...(talk && {talk: talk.talk})};
}

async function look(target: Target, {timeoutMs, program, directory, env, native}: LiveSubject) {
	return knock(target, timeoutMs, async ends => {
		const peer = await findPeer(ends, readTcpTable);
		const processes = peer ? findHolders(peer.inode).flatMap(pid => inspectProcess(pid, peer.inode) ?? []) : [];
		const own = {program, settings: env['RSOCKET_SET'] ?? '', rules: env['RSOCKET_RULES'], configDirectory: directory};
		const ownFilters = inspectProcess(process.pid, 0)?.filters ?? 0;
		const path = toRaw(env['PATH'] ?? '/usr/bin:/bin');
		return {
			judgement: judgePeer({peer, processes, ends, own, ownFilters}, ownSystem(native, path), native),
			...(peer && {uid: peer.uid}),
			processes: processes.map(({pid, program: name, executable, library, settings}) => ({pid, program: name, executable, library: library ?? null, settings: settings ?? null})),
		};
	});
}

async function hold(conversation: Conversation, {directory, env: own, native, signal}: LiveSubject): Promise<{readonly talk: Talk; readonly reason: string}> {
	const env = Object.fromEntries(['RSOCKET_SET', 'RSOCKET_RULES'].flatMap(name => {
		const value = own[name];
		return value === undefined ? [] : [[name, value]];
	}));
	const {isDone, answers, connections, log} = await probe(conversation, {native, signal, env: {...env, RSOCKET_CONFIG_DIR: directory}});
	const [connection] = connections;
	if (!isDone || !connection) {
		throw new CliError('the conversation did not take place', {code: 'talk', remedy: 'Try again without --send; --debug shows what the client said.', cause: new Error(log)});
	}

	const {reason, isPromoted, send, recv} = connection;
	return {reason, talk: {sent: conversation.text, count: conversation.count, answers, promoted: isPromoted, bytes: send.bytes + recv.bytes, shmBytes: send.shmBytes + recv.shmBytes}};
}

/** What was seen counts more than what was expected; unless too little was said. */
function correct(judgement: PeerJudgement, {talk, reason}: {readonly talk: Talk; readonly reason: string}, native: Native): PeerJudgement {
	if (talk.promoted) {
		return {...judgement, verdict: 'promotes', transport: 'shm', reason: 'promoted', text: 'The connection of the conversation was promoted.', remedy: 'Start the client with rsrun.'};
	}

	if (judgement.verdict === 'stays' || reason === 'new' || (reason === 'searching' && talk.answers < answersEnough)) {
		return judgement;
	}

	const row = native.reasons().find(({code}) => code === reason);
	return {...judgement, verdict: 'stays', transport: 'tcp', reason, text: row?.text ?? reason, remedy: row?.remedy ?? ''};
}
