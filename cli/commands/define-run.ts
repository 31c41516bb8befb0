/** The definition of rsrun(1): its options, its help and its manual page. */
import {describeRange, describeDefault} from '../control/check-setting.js';
import {shells} from '../control/tool/completion-script.js';
import {type Tool} from '../control/tool/tool.js';
import {type Native, type Option} from '../native.js';

export function defineRun(native: Native): Tool {
	const options = native.options();
	return {
		name: 'rsrun',
		summary: 'run a program with its TCP connections through shared memory where possible',
		usage: '$0 [option...] -- command [argument...]',
		description: [
			'rsrun starts command with librspreload.so preloaded. TCP connections between two programs started this way, on one host and in one network namespace, leave the kernel\'s TCP for shared memory after a few calls; all other connections stay what they are. The program is not changed.',
			'rsrun replaces itself with the program: process number, signals, job control, exit status and standard input are the program\'s own, and so are ignored signals, inherited descriptors and limits. Only with --report does it stay as the parent, pass signals on, and end as the program did.',
			'An LD_PRELOAD that is set already is kept; the library is appended.',
		],
		options: {
			transport: {choices: enumNames(options, 'transport'), requiresArg: true, describe: 'What may carry connections: auto chooses, shm is shared memory or TCP, tcp never leaves the kernel.'},
			set: {type: 'string', requiresArg: true, describe: 'Gives a setting a value; may be repeated. See SETTINGS.'},
			profile: {type: 'string', requiresArg: true, describe: 'Gives settings the values of a profile (rsconfig profiles lists them), or of a file like one; --set is stronger.'},
			rules: {type: 'string', requiresArg: true, describe: 'Obeys the rules of this file instead of those that are installed; rsconfig(1) says how they are written.'},
			'config-dir': {type: 'string', requiresArg: true, describe: 'Reads settings from files in this directory instead of /etc/rdma/rsocket.'},
			report: {type: 'string', describe: 'When the program has ended, tells for each connection of it and its children what carried it in each direction, why, and how many bytes; to standard error or to FILE, as a table or as JSON. Processes that outlive the program are reported as they are at that moment.'},
			trace: {type: 'string', requiresArg: true, describe: 'Keeps the last events of connections in FILE.PID, for each process one, which outlives a crash: rsstat trace FILE.PID shows them. A %p in FILE stands for the pid.'},
			'log-level': {choices: enumNames(options, 'log_level'), requiresArg: true, describe: 'What the library writes to standard error.'},
			'dry-run': {type: 'boolean', describe: 'Prints the environment and arguments it would use, in a form that a shell understands, and starts nothing.'},
			completion: {choices: shells, requiresArg: true, describe: 'Prints a completion script for a shell: source <(rsrun --completion bash).'},
			json: {type: 'boolean', describe: 'Prints JSON instead of text: what --dry-run says, as {version, path, argv[], environment: {NAME: value, of what changes}, obstacle: {code, path, description} or null}; and errors.'},
		},
		arguments: {
			set: 'KEY=VALUE', profile: 'NAME|FILE', rules: 'FILE', 'config-dir': 'DIR', report: '[=[json:]FILE]', trace: 'FILE', 'log-level': 'LEVEL', transport: 'NAME', completion: 'SHELL',
		},
		values: {
			set: ({native: own}) => own.options().map(({name, help}) => `${name}=\t${help}`),
		},
		commands: [],
		sections: [
			['SETTINGS', [
				'A value comes from, in rising order: the built-in default; a file named like the setting in /etc/rdma/rsocket (or RSOCKET_CONFIG_DIR), which holds one value as rsocket(7) describes; a rule for the program; the environment variable RSOCKET_SET; options. What a rule gives a connection of its own is stronger than all these: rsconfig(1). A file that is malformed is complained about once, and the default is used. A setting that --set does not know, or a value out of range, is an error.',
				...options.map(option => [option.name, `${option.help} It is ${describeRange(option)}; default ${describeDefault(option)}.${option.isOfConnection ? ' A rule can give it to single connections.' : ''}`] as const),
			]],
			['WHEN A PROGRAM CANNOT BE ACCELERATED', [
				'Nothing can be preloaded into a program that is statically linked, setuid, setgid or has file capabilities; the library does not fit programs of 32 bits, of another architecture or built with musl or another C library; and Go programs make their system calls themselves. rsrun finds out before the start, also for the interpreter of a script, says so on standard error, and runs the program as it is.',
			]],
		],
		exitCodes: [
			[125, 'rsrun itself failed, for example on an unknown option. Otherwise the exit status is that of the program, or:'],
			[126, 'The program was found but cannot be executed.'],
			[127, 'It was not found.'],
		],
		environment: [
			['RSOCKET_SET', 'settings as key=value,key=value'],
			['RSOCKET_CONFIG_DIR', 'directory of settings'],
			['RSOCKET_RULES', 'rules, one a line, instead of the file rules in the directory of settings; set by --rules'],
			['RSOCKET_REPORT', 'set by --report for the program: where it tells of its connections'],
			['RSOCKET_TRACE', 'set by --trace for the program: where the last events of its connections stay'],
			['TMPDIR', 'where the file behind --report lives while the program runs'],
		],
		examples: [
			['$0 -- redis-server --port 7000', 'a server; its connections speed up once clients run under rsrun too'],
			['$0 -- redis-benchmark -p 7000', 'such a client'],
			['$0 --report -- ./app', 'says at the end what carried each connection, and why'],
			['$0 --report=json:report.json -- ./app', 'the same for programs'],
			['$0 --set polling_time=0 -- ./app', 'never spins: least processor time'],
			['$0 --profile latency -- ./app', 'a set of settings for one purpose; rsconfig profiles lists them'],
			['$0 --trace /var/tmp/app -- ./app', 'a flight recorder that outlives a crash'],
			['$0 --transport tcp -- ./app', 'everything as without the toolkit'],
			['$0 --dry-run -- ./app', 'shows what would be started, and how'],
		],
		seeAlso: ['rscheck(1)', 'rsconfig(1)', 'rsstat(1)', 'ld.so(8)', 'rsocket(7)', 'tcp(7)'],
	};
}

function enumNames(options: readonly Option[], name: string): string[] {
	return options.find(option => option.name === name)?.values.split('|') ?? [];
}
