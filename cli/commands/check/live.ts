/** `rscheck live` */
import {checkLive, type LiveJudgement} from '../../control/check/check-live.js';
import {type PeerVerdict} from '../../control/check/judge-peer.js';
import {parseCount} from '../../control/check/parse-count.js';
import {chooseDirectory} from '../../control/config/choose-directory.js';
import {defineCommand, type Context} from '../../control/tool/tool.js';

const verdicts: readonly PeerVerdict[] = ['promotes', 'stays', 'unknown'];
const styles = {promotes: 'green', stays: 'yellow', unknown: 'magenta'} as const;
const sentences = {promotes: 'a connection would be promoted', stays: 'a connection would stay on TCP', unknown: 'it cannot be told whether a connection would be promoted'} as const;

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
		const final = await checkLive(args.peer, {
			send: args.send, count: parseCount('count', args.count, 1), timeoutMs: parseCount('timeout', args.timeout, 1) * 1000, program: args.program,
			directory: chooseDirectory({}, context), env: context.env, native: context.native, signal: context.signal,
		});
		if (context.isJson) {
			context.printJson({version: 1, ...final});
		} else {
			print(final, context);
		}

		return verdicts.indexOf(final.verdict);
	},
});

function print({peer, verdict, transport, reason, text, remedy, talk}: LiveJudgement, {paint, print: write}: Context): void {
	const how = verdict === 'promotes' ? ` to ${transport}` : (verdict === 'stays' ? `: ${reason}` : '');
	write([
		`${peer}: ${paint(styles[verdict], sentences[verdict])}${how}`,
		`  ${text}`, `    ${remedy}`,
		...(talk ? [`  ${talk.answers} of ${talk.count} answered, ${talk.shmBytes} of ${talk.bytes} bytes through shared memory`] : []),
	].join('\n'));
}
