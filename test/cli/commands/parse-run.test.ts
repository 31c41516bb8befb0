import test from 'ava';
import {parseRun, type RunOptions} from '../../../cli/commands/parse-run.js';
import {CliError} from '../../../cli/control/cli-error.js';
import {loadNative} from '../../../cli/native.js';

const native = loadNative();
const parse = (...args: string[]) => parseRun(args, native, '1.2.3');

function refuse(...args: string[]): CliError {
	try {
		parse(...args);
	} catch (error) {
		if (error instanceof CliError) {
			return error;
		}

		throw error;
	}

	throw new Error(`${args.join(' ')} is taken`);
}

test('the command line', t => {
	t.like(parse('--json', '--dry-run', '--trace=a', '--', 'x', '--json'), {isJson: true, isDryRun: true, trace: 'a', commandLength: 2});
	t.deepEqual(parse('--version'), {output: '1.2.3\n'});
	t.regex((parse('--completion', 'bash') as {output: string}).output, /complete -o bashdefault -o default -F _rsrun_completions rsrun/);
	t.regex((parse('--completion', 'zsh') as {output: string}).output, /^#compdef rsrun\n.*source <\(rsrun --completion zsh\)/);
	t.regex(t.throws(() => parse('--dry-rum', '--', 'x'), {instanceOf: CliError})?.remedy ?? '', /Did you mean --dry-run\?/);
	t.like(t.throws(() => parse('--dry-run'), {instanceOf: CliError}), {code: 'usage'});
});

test('options before the command are ours, those behind it are its own', t => {
	const lengthOf = (...args: string[]): number => (parse(...args) as RunOptions).commandLength;
	t.is(lengthOf('--', 'a', '--', '--json'), 3);
	t.is(lengthOf('a', '--report', '--help'), 3);
	t.is(lengthOf('--report', 'a', '-h'), 2);
	t.is(lengthOf('--json', '--', '--version'), 1);
	t.is(lengthOf('--', ''), 1);
});

test('settings in the order in which the last one wins', t => {
	const {settings} = parse('--transport', 'shm', '--set', 'polling_time=1', '--log-level=debug', '--set', 'polling_time=2', '--transport', 'tcp', '--', 'x') as RunOptions;
	t.deepEqual(settings, ['polling_time=1', 'polling_time=2', 'transport=shm', 'transport=tcp', 'log_level=debug']);
});

test('of other options that are given twice the last one counts', t => {
	t.like(parse('--profile', 'a', '--profile', 'b', '--rules', 'c', '--rules', 'd', '--config-dir', 'e', '--config-dir', 'f', '--trace', 'g', '--trace', 'h', '--report=i', '--report=j', '--json', '--json', '--', 'x'), {
		profile: 'b', rulesFile: 'd', configDirectory: 'f', trace: 'h', report: {file: 'j', isJson: false}, isJson: true,
	});
	t.like(parse('--', 'x'), {profile: undefined, rulesFile: undefined, configDirectory: undefined, trace: undefined, report: undefined, isJson: false, isDryRun: false, settings: []});
});

test('where the report goes, and how', t => {
	for (const [args, report] of [
		[['--report'], {file: undefined, isJson: false}], [['--report='], {file: undefined, isJson: false}], [['--report=file'], {file: 'file', isJson: false}], [['--report=json'], {file: undefined, isJson: true}],
		[['--report=json:'], {file: undefined, isJson: true}], [['--report=json:file'], {file: 'file', isJson: true}], [['--report=json:json:x'], {file: 'json:x', isJson: true}], [['--report=jsonfile'], {file: 'jsonfile', isJson: false}],
	] as const) {
		t.deepEqual((parse(...args, '--', 'x') as RunOptions).report, report, `${args.join(' ')}`);
		t.deepEqual((parse(...args, 'x') as RunOptions).report, report, `${args.join(' ')}`);
	}
});

test('what is wrong, and what would be right', t => {
	for (const [args, message, remedy] of [
		[[], /^no command was given$/, /^Write it after --/], [['--'], /^no command was given$/, /^Write it after --/], [['--reprot', '--', 'x'], /unknown argument: reprot/, /Did you mean --report\?/], [['-x', '--', 'x'], /unknown argument: x/, /--help lists all options/],
		[['--set', '--', 'x'], /\S/, /\S/], [['--set', 'polling_time', '--', 'x'], /not of the form key=value/, /polling_time=0/], [['--set', 'poling_time=1', '--', 'x'], /no setting is called/, /polling_time/], [['--set', 'polling_time=-1', '--', 'x'], /cannot be "-1"/, /from 0 to/],
		[['--transport', 'rdma', '--', 'x'], /"auto", "shm", "tcp"/, /\S/], [['--log-level', 'loud', '--', 'x'], /"loud"/, /\S/], [['--completion', 'fish'], /"bash", "zsh"/, /\S/], [['--no-json', '--', 'x'], /unknown argument: no-json/, /\S/],
	] as const) {
		const error = refuse(...args);
		t.regex(error.message, message, `${args.join(' ')}`);
		t.regex(error.remedy, remedy, `${args.join(' ')}`);
		t.is(error.exitCode, 125);
	}
});

test('the help names every setting with its default and its range', t => {
	const {output} = parse('--help') as {output: string};
	for (const {name, values, min, max} of native.options()) {
		const line = output.split('\n').find(text => text.startsWith(`  ${name} `)) ?? '';
		t.true(line.includes(values === '' ? `from ${min} to ${max}` : values.split('|').join(', ')), `${name}`);
	}

	t.deepEqual(parse('-h'), {output});
	t.false(output.includes('$0'));
});
