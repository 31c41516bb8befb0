import test from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {directoryToDocument, documentToChanges, readDocument} from '../../../../cli/control/config/document.js';
import {readDirectory} from '../../../../cli/control/config/read-directory.js';
import {readText as readInput} from '../../../../cli/control/read-text.js';
import {loadNative} from '../../../../cli/native.js';
import {makeRoot} from '../../helpers/make-root.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

const native = loadNative();
const rules = 'use tcp server redis-server 10.0.0.0/8:6000-7000\nset * polling_time=0 transport=shm\n';

test('a directory becomes a document, and the document the same directory', t => {
	const files = {polling_time: '50\n', transport: 'shm\n', rules, preload_config: 'redis INET STREAM TCP\n'};
	const document = directoryToDocument(readDirectory(makeRoot(t, files), native), native);
	t.deepEqual(document, {
		$schema: 'config.schema.json', version: 1,
		settings: {polling_time: 50, transport: 'shm'},
		rules: [
			{use: 'tcp', role: 'server', program: 'redis-server', peer: '10.0.0.0/8', port: '6000-7000'},
			{set: {polling_time: 0, transport: 'shm'}, program: '*'},
		],
		preload: [{program: 'redis', domain: 'INET', type: 'STREAM', protocol: 'TCP'}],
	});
	const changes = documentToChanges(document, native);
	t.deepEqual(Object.fromEntries([...changes].filter(([, content]) => content !== undefined)), files);
	t.true(changes.has('ring_size') && changes.has('applied_profile'));
});

test('what a document does not have is removed', t => {
	t.deepEqual([...documentToChanges({version: 1}, native).values()].filter(content => content !== undefined), []);
});

test('a profile in the rules becomes its settings', t => {
	t.regex(documentToChanges({version: 1, rules: [{profile: 'latency', program: 'nginx'}]}, native).get('rules') ?? '', /^set nginx .*\bpolling_time=200\b/);
});

function readText(t: Parameters<typeof makeTemporaryDirectory>[0], text: string) {
	return readDocument(writeTemporaryFile(makeTemporaryDirectory(t), 'config.json', text), native);
}

test('values may have units', t => {
	const document = readText(t, '{"version": 1, "settings": {"mem_default": "1M"}}');
	t.is(documentToChanges(document, native).get('mem_default'), '1048576\n');
});

test('every fault of a document is told, with file and line', t => {
	for (const [text, pattern] of [
		['{\n"version": 1,\n', /config\.json:3: no JSON/],
		['{}', /config\.json:1: the document is not as the schema has it\. It needs "version"/],
		['{"version": 1,\n"settings": {\n"poling_time": 1}}', /config\.json:3: settings knows no "poling_time"\. Did you mean polling_time\?/],
		['{"version": 1,\n"settings": {\n"polling_time": -1}}', /config\.json:3: polling_time cannot have this value\. It is a number from 0 to 1000000/],
		['{"version": 1, "rules": [{}, {"use": "tpc"}]}', /rule 1 .*It has use, maybe with set and profile[^]*rule 2: use .*one of both, auto, shm, tcp/],
		['{"version": 1, "rules": [{"use": "tcp"}, {"use": "tcp", "peer": "10.0.0.1/40"}]}', /config\.json:1: an IPv4 prefix has 0 to 32 bits/],
		['{"version": 1, "rules": [{"profile": "latancy"}]}', /json:1: no profile is called "latancy"\. Did you mean latency\?/],
		['{"version": 1, "preload": [{"program": "*", "domain": "INTE", "type": "*", "protocol": "*"}]}', /config\.json:1: "INTE" is no domain/],
	] as const) {
		const error = t.throws(() => readText(t, text), {instanceOf: CliError});
		t.regex(error?.message ?? '', pattern);
		t.is(error?.code, 'invalid');
		t.true(Array.isArray(error?.details?.['faults']));
	}
});

test('a unit that the setting does not have is a fault of the document', t => {
	const error = t.throws(() => readText(t, '{"version": 1,\n"settings": {"polling_time": "5K"}}'), {instanceOf: CliError});
	t.regex(error?.message ?? '', /config\.json:2: polling_time cannot be "5K"\. polling_time is a number from 0/);
});

test('a file that is not there', t => {
	const error = t.throws(() => readInput('/nowhere/config.json'), {instanceOf: CliError});
	t.is(error?.code, 'not-found');
	t.is(t.throws(() => readInput('/'), {instanceOf: CliError})?.code, 'read-failed');
});
