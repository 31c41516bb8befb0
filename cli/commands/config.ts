/** The definition of rsconfig(1). */
import {type Tool} from '../control/tool/tool.js';
import {applyCommand, profilesCommand} from './config/apply.js';
import {explainCommand} from './config/explain.js';
import {diffCommand, exportCommand, importCommand} from './config/export.js';
import {getCommand} from './config/get.js';
import {listCommand} from './config/list.js';
import {preloadCommand} from './config/preload.js';
import {rulesCommand} from './config/rules.js';
import {setCommand, unsetCommand} from './config/set.js';
import {validateCommand} from './config/validate.js';
import {watchCommand} from './config/watch.js';

export const configTool: Tool = {
	name: 'rsconfig',
	summary: 'show, change and check the settings of the accelerator',
	description: ['Shows, changes and checks the settings that programs started by rsrun read when they start.'],
	options: {
		dir: {type: 'string', requiresArg: true, describe: 'Directory of settings instead of /etc/rdma/rsocket'},
	},
	commands: [
		listCommand, getCommand, explainCommand, setCommand, unsetCommand, applyCommand, profilesCommand, validateCommand, watchCommand, diffCommand, exportCommand,
		importCommand, rulesCommand, preloadCommand,
	],
	exitCodes: [
		[0, 'Done; nothing was found wrong.'],
		[1, 'Something was found: faults in a file, or differences.'],
		[125, 'The command could not be carried out: bad arguments, no permission, a missing file. Nothing was changed.'],
	],
	examples: [['$0 set mem_default 1M', 'for every program that starts from now on'], ['$0 --dir ~/.config/rsocket apply latency', 'a directory of your own, for rsrun --config-dir']],
	sections: [
		['RULES', [
			'One rule a line; # begins a comment. Of the use rules the first one that matches a connection decides, of the set and profile rules the first one for the program.',
			'use both|auto|shm|tcp server|client|* PROGRAM PEER[:PORT] says what may carry connections. PROGRAM is a name without directory, in which * stands for any characters. PEER is the other end: an IPv4 address, an IPv6 address in brackets, either with /BITS, or *. PORT is the one that the server listens on, whichever end the program is: a number, two with a - between, or *.',
			'A use rule may go on with profile=NAME and KEY=VALUE...: settings that the connections about which it decides have of their own, in place of the process\'s, wherever those come from. rsrun(1) says which settings connections can have. What stands in the rule wins over its profile, whose settings of whole processes are left out, and what the profile leaves open is at its default. Waits for several descriptors (poll, select, epoll) go by the process\'s polling_time, and datagram sockets by its settings altogether. Both ends have a say in the size of a ring: give the rule to both.',
			'set PROGRAM KEY=VALUE... gives the program settings, of all names: it is read when a process starts and before it has connections, and so goes by the program alone. profile PROGRAM NAME gives it those of a profile. Environment and options are stronger than both.',
			'The library itself knows neither profiles nor units: rules install and rsrun --rules make plain settings of them.',
			'As JSON, a list of objects, or {"version": 1, "rules": [...]}: {"use": "tcp", "role": "server", "program": "redis-server", "peer": "10.0.0.0/8", "port": 6379}, {"use": "both", "port": 7000, "profile": "throughput", "set": {"promote_after_calls": 1}}, {"set": {"polling_time": 0}, "program": "*"}, {"profile": "latency", "program": "nginx"}.',
			'A file with a faulty rule keeps every connection on TCP.',
		]],
		['PROFILES', ['A profile is a JSON file as config/profile.schema.json describes it: a summary, what it costs, and settings. rsconfig profiles lists those that come with the package.']],
		['VALUES', ['Sizes may have K, M or G (1024, its square, its cube), times us, ms or s. Files hold one number in the setting\'s own unit, so that librdmacm reads the same directory.']],
	],
	files: [
		['/etc/rdma/rsocket/KEY', 'the value of a setting: one number or name'],
		['/etc/rdma/rsocket/rules', 'the rules that programs obey'],
		['/etc/rdma/rsocket/preload_config', 'read by librdmacm\'s own preload library: program, domain, type and protocol on each line'],
		['/etc/rdma/rsocket/applied_profile', 'the name of the profile that apply wrote last'],
		['config/config.schema.json', 'the JSON Schema of what export writes and import reads'],
	],
	environment: [
		['RSOCKET_CONFIG_DIR', 'directory of settings, unless --dir names one'],
		['RSOCKET_SET', 'settings that are stronger than files; list and get show them'],
		['NO_COLOR', 'no colours'],
	],
	seeAlso: ['rsrun(1)', 'rscheck(1)', 'rsocket(7)'],
};
