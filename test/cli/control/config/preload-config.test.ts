import test from 'ava';
import {formatPreloadConfig, parsePreloadConfig} from '../../../../cli/control/config/preload-config.js';

function faultOf(line: string) {
	const {entries, faults} = parsePreloadConfig(`# one\n\n${line}\n`, 'preload_config');
	return entries.length === 0 && faults.length === 1 ? faults[0] : undefined;
}

test('lines of four words', t => {
	const {entries, faults} = parsePreloadConfig('# comment\nredis INET STREAM TCP\n\n  *\tAF_INET6 sock_dgram  IPPROTO_UDP\n* * * *\n', 'f');
	t.deepEqual(faults, []);
	t.deepEqual(entries, [
		{line: 2, program: 'redis', domain: 'INET', type: 'STREAM', protocol: 'TCP'},
		{line: 4, program: '*', domain: 'INET6', type: 'DGRAM', protocol: 'UDP'},
		{line: 5, program: '*', domain: '*', type: '*', protocol: '*'},
	]);
	t.deepEqual(parsePreloadConfig(formatPreloadConfig(entries), 'f').entries, entries.map((entry, index) => ({...entry, line: index + 1})));
});

test('a wrong word has its line and the nearest right one', t => {
	t.like(faultOf('* INETT STREAM TCP'), {file: 'preload_config', line: 3, message: '"INETT" is no domain', remedy: 'Did you mean INET? It is one of *, INET, INET6, IB.'});
	t.regex(faultOf('* INET STREM TCP')?.remedy ?? '', /^Did you mean STREAM\?/);
	t.like(faultOf('* INET STREAM XXXXXX'), {message: '"XXXXXX" is no protocol', remedy: 'It is one of *, TCP, UDP.'});
	t.truthy(faultOf('* SOCK_INET STREAM TCP'));
});

test('what rdma-core would read otherwise is refused', t => {
	t.regex(faultOf('* INET STREAM')?.message ?? '', /^four words were expected, not 3/);
	t.regex(faultOf('* INET STREAM TCP more')?.message ?? '', /not 5/);
	t.regex(faultOf(' #* INET STREAM TCP')?.remedy ?? '', /first column/);
	t.regex(faultOf('/usr/bin/redis * * *')?.remedy ?? '', /without its directory/);
	t.regex(faultOf(`${'x'.repeat(64)} * * *`)?.remedy ?? '', /at most 63/);
	t.regex(faultOf(`* * *${' '.repeat(120)}*`)?.message ?? '', /more than 118/);
	t.regex(faultOf('redis\u0007 * * *')?.message ?? '', /plain text/);
});
