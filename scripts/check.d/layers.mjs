/** Fails on an include or import against the arrows: preload, rsocket, addon and cli use core; what moves bytes and wakes sleepers knows no connections. */
import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import path from 'node:path';
import process from 'node:process';

/** Headers of the core that know nothing of connections. */
const belowConnections = new Set(['wire.h', 'barrier.h', 'ring.h', 'sys.h', 'lock.h', 'bell.h', 'link.h', 'message.h', 'discard.h', 'kernel.h', 'thread.h', 'log.h', 'config.h', 'reason.h', 'stats.h']);

/** `files`, and which names in them are against the arrows; the first row that matches a file counts. */
const rules = [
	{
		files: /^core\/addon\//,
		isWrong: name => !['config.h', 'reason.h', 'rule.h', 'stats.h', 'trace.h', 'launch.h', 'config_export.h', 'stats_export.h', 'rcalls.h', 'watcher.h', 'rsocket_export.h'].includes(name) && isOurs(name),
		why: 'the addon hands out tables and reports, and reaches sockets by the public header only',
	},
	{
		files: /^core\/(ring|bell|link|message|lock|kernel)\.[ch]$/,
		isWrong: name => isOurs(name) && !belowConnections.has(name),
		why: 'what moves bytes and wakes sleepers knows no connections',
	},
	{
		files: /^core\//,
		isWrong: name => /^(preload|addon)\/|^real\.h$|napi/.test(name.replace(/^(\.\.\/)+/, '')),
		why: 'the core knows neither libc hooks nor Node',
	},
	{
		files: /^(preload|rsocket)\//,
		isWrong: name => /^(\.\.\/)*(core\/)?addon\/|napi/.test(name),
		why: 'the libraries use the core, not the addon',
	},
	{
		files: /^cli\/control\//,
		isWrong: name => /\/commands\/|\/rsrun\.js$/.test(name),
		why: 'commands use control, not the other way',
	},
	{
		files: /^cli\/(?!native\.ts)/,
		isWrong: name => /\.node$|\/test\/|\/core\/|\/preload\//.test(name),
		why: 'only native.ts knows the addon',
	},
];

const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', 'core', 'preload', 'rsocket', 'cli'], {encoding: 'utf8'}).split('\n').filter(Boolean);
const ourHeaders = new Set(tracked.filter(file => file.endsWith('.h')).map(file => path.basename(file)));

function isOurs(name) {
	return ourHeaders.has(path.basename(name));
}

/** What a source file includes or imports, with line numbers. */
function namesIn(file) {
	const pattern = /\.(c|cc|h|def)$/.test(file) ? /^\s*#\s*include\s+"([^"]+)"/ : /(?:from|import\()\s*'([^']+)'/;
	return readFileSync(file, 'utf8').split('\n').flatMap((line, index) => {
		const name = pattern.exec(line)?.[1];
		return name === undefined ? [] : [{name, line: index + 1}];
	});
}

let failures = 0;
for (const file of tracked.filter(name => /\.(c|cc|h|ts)$/.test(name))) {
	const rule = rules.find(({files}) => files.test(file));
	for (const {name, line} of namesIn(file)) {
		if (rule?.isWrong(name, file)) {
			console.error(`${file}:${line}: ${name}: ${rule.why}`);
			failures++;
		}
	}
}

process.exitCode = failures > 0 ? 1 : 0;
