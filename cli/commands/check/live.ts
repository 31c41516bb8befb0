/** `rscheck live` */
import process from 'node:process';
import {chooseDirectory} from '../../control/config/choose-directory.js';
import {CliError} from '../../control/cli-error.js';
import {readEscapes} from '../../control/check/escapes.js';
import {type Conversation} from '../../control/check/converse.js';
import {findHolders} from '../../control/check/find-owner.js';
import {findPeer} from '../../control/check/find-peer.js';
import {inspectProcess} from '../../control/check/inspect-process.js';
import {judgePeer, type PeerJudgement, type PeerVerdict} from '../../control/check/judge-peer.js';
import {knock, parseTarget, type Target} from '../../control/check/knock.js';
import {ownSystem} from '../../control/check/own-system.js';
import {readTcpTable} from '../../control/check/ports.js';
import {probe} from '../../control/check/probe.js';
import {parseCount} from '../../control/check/parse-count.js';
import {toRaw} from '../../control/raw.js';
import {defineCommand, type Context} from '../../control/tool/tool.js';

const verdicts: readonly PeerVerdict[] = ['promotes', 'stays', 'unknown'];
const styles = {promotes: 'green', stays: 'yellow', unknown: 'magenta'} as const;
const sentences = {promotes: 'a connection would be promoted', stays: 'a connection would stay on TCP', unknown: 'it cannot be told whether a connection would be promoted'} as const;

/** After so many answers both ends have looked for each other several times. */
const answersEnough = 16;

/** What the conversation under --send showed. */
type Talk = {readonly sent: string; readonly count: number; readonly answers: number; readonly promoted: boolean; readonly bytes: number; readonly shmBytes: number};

export const liveCommand = defineCommand({
	command: 'live <peer>',
	describe: 'Says whether a connection to a server that is running would leave TCP, and by which transport',
	description: [
		'Connects, sends nothing, finds the process at the other end through the tables of the kernel, and looks at what it has loaded and how it is set up. That needs the rights of its user. With --send, a client under the toolkit also sends the given text again and again, and what really became of that connection is told.',
	],
	positionals: {peer: {type: 'string', demandOption: true, describe: 'HOST:PORT, [ADDRESS]:PORT, or a PORT of this host'}},
	options: {
		send: {type: 'string', requiresArg: true, describe: String.raw`What the server answers each time; \r, \n, \t, \0, \xHH and \\ are understood`},
		count: {type: 'string', default: '32', requiresArg: true, describe: 'How often it is sent'},
		timeout: {type: 'string', default: '5', requiresArg: true, describe: 'Seconds to wait for the connection, and for each answer'},
		program: {type: 'string', default: '', requiresArg: true, describe: 'The client whose rules count at this end'},
	},
	examples: [['$0 live localhost:6379', 'whether connections to redis would be promoted'], [String.raw`$0 live :6379 --send 'PING\r\n'`, 'the same, tried']],
	json: '{version, peer, verdict, transport, reason, text, remedy, uid, processes[]: {pid, program, executable, library, settings}, talk: {sent, count, answers, promoted, bytes, shmBytes}}; uid and talk only where there are such; verdict is promotes, stays or unknown',
	exitCodes: [[0, 'It would be promoted; with --send: it was.'], [1, 'It would stay on TCP.'], [2, 'That cannot be told: the other end belongs to somebody else.']],
	async run(args, context) {
		const target = parseTarget(args.peer);
		const timeoutMs = parseCount('timeout', args.timeout, 1) * 1000;
		const count = parseCount('count', args.count, 1);
		const text = args.send === undefined ? undefined : readEscapes(args.send);
		const {judgement, ...seen} = await look(target, {timeoutMs, program: args.program}, context);
		const talk = text === undefined ? undefined : await hold({...target, text, count, answerMs: timeoutMs}, context);
		const final = talk ? correct(judgement, talk, context) : judgement;
		if (context.isJson) {
			context.printJson({version: 1, peer: args.peer, ...final, ...seen, ...(talk && {talk: talk.talk})});
		} else {
			print(args.peer, final, talk?.talk, context);
		}

		return verdicts.indexOf(final.verdict);
	},
});

async function look(target: Target, {timeoutMs, program}: {readonly timeoutMs: number; readonly program: string}, context: Context) {
	return knock(target, timeoutMs, async ends => {
		const peer = await findPeer(ends, readTcpTable);
		const processes = peer ? findHolders(peer.inode).flatMap(pid => inspectProcess(pid, peer.inode) ?? []) : [];
		const own = {program, settings: context.env['RSOCKET_SET'] ?? '', rules: context.env['RSOCKET_RULES'], configDirectory: chooseDirectory({}, context)};
		const ownFilters = inspectProcess(process.pid, 0)?.filters ?? 0;
		const path = toRaw(context.env['PATH'] ?? '/usr/bin:/bin');
		return {
			judgement: judgePeer({peer, processes, ends, own, ownFilters}, ownSystem(context.native, path), context.native),
			...(peer && {uid: peer.uid}),
			processes: processes.map(({pid, program: name, executable, library, settings}) => ({pid, program: name, executable, library: library ?? null, settings: settings ?? null})),
		};
	});
}

async function hold(conversation: Conversation, context: Context): Promise<{readonly talk: Talk; readonly reason: string}> {
	const env = Object.fromEntries(['RSOCKET_SET', 'RSOCKET_RULES', 'RSOCKET_CONFIG_DIR'].flatMap(name => {
		const value = context.env[name];
		return value === undefined ? [] : [[name, value]];
	}));
	const {isDone, answers, connections, log} = await probe(conversation, {native: context.native, signal: context.signal, env: {RSOCKET_CONFIG_DIR: chooseDirectory({}, context), ...env}});
	const [connection] = connections;
	if (!isDone || !connection) {
		throw new CliError('the conversation did not take place', {code: 'talk', remedy: 'Try again without --send; --debug shows what the client said.', cause: new Error(log)});
	}

	const {reason, isPromoted, send, recv} = connection;
	return {reason, talk: {sent: conversation.text, count: conversation.count, answers, promoted: isPromoted, bytes: send.bytes + recv.bytes, shmBytes: send.shmBytes + recv.shmBytes}};
}

/** What was seen counts more than what was expected; unless too little was said. */
function correct(judgement: PeerJudgement, {talk, reason}: {readonly talk: Talk; readonly reason: string}, {native}: Context): PeerJudgement {
	if (talk.promoted) {
		return {...judgement, verdict: 'promotes', transport: 'shm', reason: 'promoted', text: 'The connection of the conversation was promoted.', remedy: 'Start the client with rsrun.'};
	}

	if (judgement.verdict === 'stays' || reason === 'new' || (reason === 'searching' && talk.answers < answersEnough)) {
		return judgement;
	}

	const row = native.reasons().find(({code}) => code === reason);
	return {...judgement, verdict: 'stays', transport: 'tcp', reason, text: row?.text ?? reason, remedy: row?.remedy ?? ''};
}

function print(peer: string, {verdict, transport, reason, text, remedy}: PeerJudgement, talk: Talk | undefined, {paint, print: write}: Context): void {
	const how = verdict === 'promotes' ? ` to ${transport}` : (verdict === 'stays' ? `: ${reason}` : '');
	write([
		`${peer}: ${paint(styles[verdict], sentences[verdict])}${how}`,
		`  ${text}`, `    ${remedy}`,
		...(talk ? [`  ${talk.answers} of ${talk.count} answered, ${talk.shmBytes} of ${talk.bytes} bytes through shared memory`] : []),
	].join('\n'));
}
