import test from 'ava';
import {CliError} from '../../../../cli/control/cli-error.js';
import {editByDocument, editByProfile, editPreload, editPreloadText, editRules, editSettings, type Edit} from '../../../../cli/control/config/edits.js';
import {readDirectory} from '../../../../cli/control/config/read-directory.js';
import {parseRules} from '../../../../cli/control/rules/parse-rules.js';
import {loadNative} from '../../../../cli/native.js';
import {makeRoot} from '../../helpers/make-root.js';

const native = loadNative();

function read(t: Parameters<typeof makeRoot>[0], files: Readonly<Record<string, string>>) {
	return readDirectory(makeRoot(t, files), native);
}

function changes({changes: map}: Edit): Record<string, string | undefined> {
	return Object.fromEntries(map);
}

test('settings as their files hold them', t => {
	const directory = read(t, {mem_default: '64\n'});
	const edit = editSettings(directory, {mem_default: '1M', polling_time: 5, transport: 'shm', ring_size: undefined}, native);
	t.is(edit.directory, directory.path);
	t.deepEqual(changes(edit), {mem_default: '1048576\n', polling_time: '5\n', transport: 'shm\n', ring_size: undefined});
	t.is(edit.before.get('mem_default'), '64\n');
	t.is(edit.before.get('polling_time'), undefined);
});

test('one wrong setting of several changes none', t => {
	const directory = read(t, {});
	t.like(t.throws(() => editSettings(directory, {mem_default: 1, poling_time: 1}, native), {instanceOf: CliError}), {code: 'setting-unknown', remedy: 'Did you mean polling_time? rsconfig list shows all settings.'});
	t.like(t.throws(() => editSettings(directory, {mem_default: 1, polling_time: '1h'}, native), {instanceOf: CliError}), {code: 'setting-value'});
});

test('what is malformed is there to be removed, and to be replaced as if it were not', t => {
	const directory = read(t, {polling_time: 'soon\n', ring_size: 'x\n', rules: 'x'.repeat(70_000), preload_config: '\u0001'.repeat(70_000)});
	t.is(editSettings(directory, {polling_time: undefined}, native).before.get('polling_time'), '(malformed)\n');
	t.is(editSettings(directory, {polling_time: 5}, native).before.get('polling_time'), undefined);
	t.is(editRules(directory, undefined, native).before.get('rules'), '(malformed)\n');
	t.is(editPreload(directory, undefined).before.get('preload_config'), '(malformed)\n');
	const {before} = editByDocument(directory, {version: 1}, native);
	t.deepEqual(['polling_time', 'ring_size', 'rules', 'preload_config', 'transport'].map(name => before.get(name)), ['(malformed)\n', '(malformed)\n', '(malformed)\n', '(malformed)\n', undefined]);
});

test('a profile takes back what another one set, and nothing else', t => {
	const edit = editByProfile(read(t, {ring_size: '64\n', mem_default: '64\n', applied_profile: 'throughput\n'}), 'low-cpu', native);
	const made = changes(edit);
	t.is(made['polling_time'], '0\n');
	t.is(made['applied_profile'], 'low-cpu\n');
	t.true('ring_size' in made && made['ring_size'] === undefined);
	t.false('mem_default' in made);
	t.is(edit.before.get('applied_profile'), 'throughput\n');
	t.throws(() => editByProfile(read(t, {}), 'low-cpuu', native), {instanceOf: CliError, message: 'no profile is called "low-cpuu"'});
});

test('a document is all that is left', t => {
	const edit = editByDocument(read(t, {ring_size: '64\n', applied_profile: 'latency\n'}), {version: 1, settings: {polling_time: 5}, rules: [{use: 'tcp'}], preload: [{program: '*', domain: 'INET', type: '*', protocol: '*'}]}, native);
	t.deepEqual(Object.fromEntries([...edit.changes].filter(([, content]) => content !== undefined)), {polling_time: '5\n', rules: 'use tcp * * *:*\n', preload_config: '* INET * *\n'});
	t.true(edit.changes.has('ring_size') && edit.changes.has('applied_profile'));
	t.is(changes(editByDocument(read(t, {}), {version: 1, rules: [], preload: []}, native))['rules'], '\n');
});

test('rules without comments and profiles; faulty ones are refused whole', t => {
	const directory = read(t, {rules: 'use tcp * * *\n'});
	const edit = editRules(directory, parseRules('# a\nuse shm * * * # b\nprofile nginx latency\n', 'f', native), native);
	t.regex(changes(edit)['rules'] ?? '', /^use shm \* \* \*\nset nginx polling_time=200 .*\n$/);
	t.is(edit.before.get('rules'), 'use tcp * * *\n');
	t.deepEqual(changes(editRules(directory, undefined, native)), {rules: undefined});
	const error = t.throws(() => editRules(directory, parseRules('use shm * * *\nuse\nusee\n', 'f', native), native), {instanceOf: CliError});
	t.regex(error.message, /^f:2: .*\nf:3: /);
	t.is(error.remedy, 'Nothing was changed. rsconfig(1) says how rules are written.');
});

test('the text of preload_config keeps its comments', t => {
	const directory = read(t, {preload_config: '# old\n'});
	t.deepEqual(changes(editPreloadText(directory, '# new\n* * * *\n')), {preload_config: '# new\n* * * *\n'});
	t.deepEqual(changes(editPreload(directory, [])), {preload_config: ''});
});
