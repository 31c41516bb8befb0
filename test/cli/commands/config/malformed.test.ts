/** 200 generated malformed ones each of values, documents, rules, preload_configs and profiles (manifests: test/cli/commands/check/matrix): each a clear error, nothing written. */
import {Buffer} from 'node:buffer';
import path from 'node:path';
import process from 'node:process';
import test, {type ExecutionContext} from 'ava';
import {loadNative, type Option} from '../../../../cli/native.js';
import {makeRandom} from '../../helpers/malform.js';
import {contentsOf, runConfig} from '../../helpers/run-config.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

const seed = Number(process.env['RS_SEED'] ?? 20_261_121);
const numbers = loadNative().options().filter(({values}) => values === '');
const each = 200;

type Random = ReturnType<typeof makeRandom>;
/** `expected` is what the message says. */
type Bad = {readonly text: string; readonly expected: RegExp};

function pick<Value>(list: readonly Value[], random: Random): Value {
	return list[random(list.length)] as Value;
}

/** A name with one letter doubled: near to itself. */
function misspell(name: string, random: Random): string {
	const at = random(name.length);
	return `${name.slice(0, at)}${name[at] ?? ''}${name.slice(at)}`;
}

function allowed({min, max}: Option): RegExp {
	return new RegExp(`from ${min} to ${max} `);
}

function badValue({min, max}: Option, random: Random): string {
	return pick([String(min - 1), String(max + 1), '1.5', 'many', '1 2', '0x', '9'.repeat(30), '5h', '1KK', `1${'0'.repeat(70)}`], random);
}

/** Runs the cases beside a directory with a setting that must survive; `run` returns the arguments that read `file`. */
async function refuseAll(t: ExecutionContext, make: (random: Random) => Bad, run: (file: string) => readonly string[], code = 125): Promise<void> {
	t.log(`RS_SEED=${seed} repeats it`);
	const random = makeRandom(seed);
	const root = makeTemporaryDirectory(t);
	const directory = path.join(root, 'settings');
	await runConfig(directory, ['set', 'mem_default', '64']);
	for (let index = 0; index < each; index++) {
		const {text, expected} = make(random);
		const file = writeTemporaryFile(root, 'bad.json', Buffer.from(text, 'latin1'), 0o644);
		const result = await runConfig(directory, run(file));
		const where = `case ${index}: ${text.slice(0, 400)}\n${result.stdout}${result.stderr}`;
		const told = result.stdout === '' ? result.stderr : result.stdout;
		t.is(result.code, code, where);
		t.regex(told, expected, where);
		t.true(told.includes(file), where);
		t.notRegex(result.stdout + result.stderr, /internal error|undefined|\n\s+at /, where);
		t.deepEqual(contentsOf(directory), {mem_default: '64\n'}, where);
	}
}

test('values and keys', async t => {
	t.log(`RS_SEED=${seed} repeats it`);
	const random = makeRandom(seed);
	const directory = path.join(makeTemporaryDirectory(t), 'settings');
	for (let index = 0; index < each; index++) {
		const option = pick(numbers, random);
		const isKey = random(3) === 0;
		const words = isKey ? [misspell(option.name, random), '1'] : [option.name, badValue(option, random)];
		const {code, stderr} = await runConfig(directory, ['set', ...words]);
		t.is(code, 125, `set ${words.join(' ')}`);
		t.regex(stderr, isKey ? new RegExp(String.raw`Did you mean ${option.name}\?`) : allowed(option), `set ${words.join(' ')}`);
		t.deepEqual(contentsOf(directory), {}, `set ${words.join(' ')}`);
	}
});

const soundRules: ReadonlyArray<Readonly<Record<string, unknown>>> = [
	{use: 'tcp', role: 'server', program: 'redis-*', peer: '10.0.0.0/8', port: 6379},
	{set: {polling_time: '50us'}, program: 'nginx'},
	{profile: 'latency'},
	{use: 'both', port: 80, profile: 'latency', set: {ring_size: '1M'}},
];
const soundPreload = [{program: '*', domain: 'INET', type: 'STREAM', protocol: 'TCP'}];

function line(number: number): RegExp {
	return new RegExp(String.raw`bad\.json:${number}: `);
}

/** Settings, rules and preload each begin on a line that is known: 4, 7 and 13. */
function write(settings: Readonly<Record<string, unknown>>, rules: readonly unknown[] = soundRules, preload: readonly unknown[] = soundPreload): string {
	const rows = (list: readonly unknown[]) => list.map(item => JSON.stringify(item)).join(',\n');
	return `{\n"version": 1,\n"settings": {\n${JSON.stringify(settings).slice(1, -1)}\n},\n"rules": [\n${rows(rules)}\n],\n"preload": [\n${rows(preload)}\n]\n}\n`;
}

function badDocument(random: Random): Bad {
	const option = pick(numbers, random);
	const sound = {polling_time: 5};
	const rule = random(3);
	const replace = (change: Readonly<Record<string, unknown>>) => soundRules.map((item, index) => index === rule ? {...item, ...change} : item);
	const atRule = line(7 + rule);
	switch (random(11)) {
		case 0: {
			const text = write(sound);
			return {text: text.slice(0, random(text.length - 3)), expected: /bad\.json:\d+: no JSON/};
		}

		case 1: {
			const key = misspell(option.name, random);
			return {text: write({[key]: option.default}), expected: new RegExp(String.raw`bad\.json:4: settings knows no "${key}"\. Did you mean ${option.name}\?`)};
		}

		case 2: {
			return {text: write({[option.name]: pick([badValue(option, random), option.min - 1, option.max + 1, null, [], true, 1.5], random)}), expected: new RegExp(String.raw`bad\.json:4: [^]*${allowed(option).source}`)};
		}

		case 3: {
			return {text: write(sound, replace({prot: 1})), expected: new RegExp(String.raw`${atRule.source}.*knows no "prot"`)};
		}

		case 4: {
			return {text: write(sound, soundRules.map((item, index) => index === rule ? pick([{set: {polling_time: 1}, profile: 'latency'}, {set: {polling_time: 1}, port: 80}, {profile: 'latency', role: 'server'}], random) : item)), expected: new RegExp(`${atRule.source}.*It has use, maybe with set and profile`)};
		}

		case 5: {
			const change = pick([{peer: '10.0.0.1/8'}, {peer: '::1'}, {peer: '1.2.3'}, {port: 0}, {port: 65_536}, {port: '9-3'}, {role: 'both'}, {program: '/bin/x'}, {program: 'a b'}, {use: 'rdma'}], random);
			return {text: write(sound, [{...soundRules[0], ...change}]), expected: line(7)};
		}

		case 6: {
			return {text: write(sound, [...soundRules, pick<unknown>([null, 3, 'use tcp * * *', [], {}, {program: '*'}, {profile: 'latncy'}, {set: {}}], random)]), expected: line(11)};
		}

		case 7: {
			const name = pick(['program', 'domain', 'type', 'protocol'], random);
			const entry = random(2) === 0
				? Object.fromEntries(Object.entries(soundPreload[0] ?? {}).filter(([key]) => key !== name))
				: {...soundPreload[0], [name]: pick<unknown>([7, '', 'a b', '/x/y/z', null], random)};
			return {text: write(sound, soundRules, [entry]), expected: line(13)};
		}

		case 8: {
			return {text: write(sound).replace('"version": 1', pick(['"version": 2', '"version": "1"', '"versions": 1'], random)), expected: /bad\.json:[12]: /};
		}

		case 9: {
			const change = pick([{profile: 'latncy'}, {profile: ''}, {set: {}}, {set: {[option.name]: badValue(option, random)}}, {set: {[misspell(option.name, random)]: 1}}, {set: {io_uring: 1}}, {set: {transport: 'tcp'}}, {set: 'ring_size=1'}], random);
			return {text: write(sound, soundRules.with(3, {...soundRules[3], ...change})), expected: line(10)};
		}

		default: {
			return {text: pick(['', 'null', '[]', '7', '"x"', '{}', '\0', '{"version": 1}}'], random), expected: line(1)};
		}
	}
}

test('documents', async t => {
	await refuseAll(t, badDocument, file => ['import', file]);
});

/** One line of a sound file is broken: its number is told. */
function breakLine(lines: readonly string[], random: Random, breakWord: (words: string[]) => string): Bad {
	const at = random(lines.length);
	const broken = breakWord((lines[at] ?? '').split(' '));
	return {text: lines.map((text, index) => index === at ? broken : text).join('\n'), expected: new RegExp(String.raw`bad\.json:${at + 1}: .*\. \S`)};
}

const ruleLines = ['use tcp server redis-* 10.0.0.0/8:6379', 'use both * * [::1]:7000-7010', 'set nginx polling_time=0 ring_size=64', 'profile * latency', 'use shm client curl *', 'use both server redis *:6379 profile=latency promote_after_calls=1 ring_size=64K'];

function badRules(random: Random): Bad {
	return breakLine(ruleLines, random, words => {
		const at = random(words.length);
		const word = words[at] ?? '';
		if (words.length > 5 && random(2) === 0) {
			return breakOwn(words, random).join(' ');
		}

		switch (random(5)) {
			case 0: {
				return words.slice(0, Math.max(1, random(Math.min(words.length, 3)))).join(' ');
			}

			case 1: {
				return [words[0] === 'use' ? '' : misspell(words[0] ?? '', random), ...words].join(' ').replace(/^ /, 'use use ');
			}

			case 2: {
				return words.with(0, misspell(words[0] ?? '', random)).join(' ');
			}

			case 3: {
				return words.with(-1, pick(['10.0.0.1/8', '*:0', '1.2.3.4:70000', '[::1', 'polling_tim=3', 'polling_time=x', 'polling_time=-1', 'latncy'].filter(text => text.includes('=') === (words[0] === 'set') && (text === 'latncy') === (words[0] === 'profile')), random)).join(' ');
			}

			default: {
				return words.with(at, pick(['\u0001', `${word}\u001B`, 'x'.repeat(600)], random)).join(' ');
			}
		}
	});
}

/** What a use rule gives its connections, made wrong. */
function breakOwn(words: string[], random: Random): string[] {
	const before = words.slice(0, 5);
	const option = pick(numbers, random);
	return pick([
		[...before, ...words.slice(5).toReversed()], [...words, 'profile=low-cpu'], [...before, 'profile='], [...before, 'latency'], [...words, 'profile'], [...words, `${misspell('ring_size', random)}=1`],
		[...before, 'profile=latncy'], [...words, `${option.name}=${badValue(option, random)}`], [...words, `${misspell(option.name, random)}=1`], [...words, pick(['log_level=info', 'mem_default=64K', 'iomap_size=1'], random)],
		[...words, 'transport=tcp'], [...words, 'ring_size=64,polling_time=0'], [...words, '=', '1'], [...words, `ring_size=${'1'.repeat(600)}`],
	], random);
}

test('rules', async t => {
	await refuseAll(t, badRules, file => ['rules', 'check', file], 1);
	await refuseAll(t, badRules, file => ['rules', 'install', file]);
});

const preloadLines = ['# rdma-core', '* INET STREAM *', 'nginx AF_INET SOCK_STREAM IPPROTO_TCP', 'redis INET6 DGRAM UDP'];

function badPreload(random: Random): Bad {
	const at = 1 + random(preloadLines.length - 1);
	const words = (preloadLines[at] ?? '').split(' ');
	const broken = pick([
		words.slice(0, 1 + random(3)), [...words, 'more'], words.with(0, '/usr/bin/x'), words.with(0, 'x'.repeat(64)), words.with(1, misspell(words[1] ?? '', random)), words.with(1, 'UNIX'),
		words.with(2, 'RAW'), words.with(3, 'SCTP'), ['\u0001', ...words.slice(1)], words.with(2, 'x'.repeat(110)), ['#', ...words].map((text, index) => index === 0 ? ` ${text}` : text),
	], random).join(' ');
	return {text: preloadLines.map((text, index) => index === at ? broken : text).join('\n'), expected: new RegExp(String.raw`preload_config:${at + 1}: .*\. \S`)};
}

test('preload_configs', async t => {
	const random = makeRandom(seed);
	const directory = path.join(makeTemporaryDirectory(t), 'settings');
	await runConfig(directory, ['set', 'mem_default', '64']);
	for (let index = 0; index < each; index++) {
		const {text, expected} = badPreload(random);
		const where = `case ${index}: ${text}`;
		writeTemporaryFile(directory, 'preload_config', Buffer.from(text, 'latin1'), 0o644);
		const before = contentsOf(directory);
		for (const [args, code] of [[['validate'], 1], [['preload', 'add', 'x', 'INET', 'STREAM', 'TCP'], 125], [['preload', 'remove', 'redis'], 125], [['export'], 125]] as const) {
			const {code: got, stdout, stderr} = await runConfig(directory, args);
			t.is(got, code, `${where}`);
			t.regex(`${stdout}${stderr}`, expected, `${where}`);
			t.notRegex(stdout + stderr, /internal error|undefined|\n\s+at /, `${where}`);
			t.deepEqual(contentsOf(directory), before, `${where}`);
		}
	}
});

const profile = {summary: 'a', cost: 'b', settings: {polling_time: '5us'}};

test('profiles', async t => {
	await refuseAll(t, random => {
		const option = pick(numbers, random);
		const key = misspell(option.name, random);
		switch (random(4)) {
			case 0: {
				const text = JSON.stringify(profile);
				return {text: text.slice(0, random(text.length)), expected: /bad\.json:1: no JSON/};
			}

			case 1: {
				return {text: JSON.stringify({...profile, settings: {[key]: 1}}), expected: new RegExp(String.raw`Did you mean ${option.name}\?`)};
			}

			case 2: {
				return {text: JSON.stringify({...profile, settings: {[option.name]: badValue(option, random)}}), expected: allowed(option)};
			}

			default: {
				return {text: JSON.stringify({...profile, [pick(['summary', 'cost', 'settings', 'extra'], random)]: 7}), expected: line(1)};
			}
		}
	}, file => ['apply', file]);
});
