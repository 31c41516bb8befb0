import path from 'node:path';
import test from 'ava';
import {CliError, config} from '../../../../cli/index.js';
import {contentsOf} from '../../helpers/run-config.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

test('rules are checked, tried, installed and removed', t => {
	const directory = path.join(makeTemporaryDirectory(t), 'rsocket');
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'rules', 'use tcp server redis-server *:6379\nuse tcp server redis-server *:6379\n');
	t.like(config.rules.check({file}), {isValid: true, unreachable: [{line: 2, because: 1}]});
	t.is(config.rules.install(file, {directory}).length, 1);
	const {verdicts} = config.rules.test({program: 'redis-server', peer: '10.0.0.5:6379'}, {directory});
	t.deepEqual(verdicts.map(({role, transport}) => [role, transport]), [['server', 'tcp'], ['client', undefined]]);
	t.is(config.rules.remove({directory})[0]?.after, null);
	t.deepEqual(config.rules.remove({directory}), []);
});

test('a dry run tells the same and writes nothing', t => {
	const directory = path.join(makeTemporaryDirectory(t), 'rsocket');
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'rules', '# first\nprofile nginx latency\n');
	const planned = config.rules.install(file, {directory, dryRun: true});
	t.deepEqual(contentsOf(directory), {});
	t.deepEqual(config.rules.install(file, {directory}), planned);
	t.regex(contentsOf(directory)['rules'] ?? '', /^set nginx polling_time=200 /);
	t.deepEqual(config.rules.install(file, {directory}), []);
	t.is(config.rules.remove({directory, dryRun: true}).length, 1);
	t.deepEqual(Object.keys(contentsOf(directory)), ['rules']);
});

test('those that are installed are what is asked without a file', t => {
	const directory = makeTemporaryDirectory(t);
	writeTemporaryFile(directory, 'rules', 'use tcp * * *\n');
	t.like(config.rules.check({directory}), {file: path.join(directory, 'rules'), isValid: true, rules: [{line: 1}]});
	t.deepEqual(config.rules.test({program: 'a', peer: '1.2.3.4:5', role: 'client'}, {directory}).verdicts.map(({transport}) => transport), ['tcp']);
});

test('faulty rules are checked with their lines, and neither tried nor installed', t => {
	const directory = makeTemporaryDirectory(t);
	const file = writeTemporaryFile(makeTemporaryDirectory(t), 'rules', 'use both * * *\nuse\n');
	t.like(config.rules.check({file, directory}), {isValid: false, faults: [{file, line: 2}]});
	t.throws(() => config.rules.test({program: 'a', peer: '1.2.3.4:5'}, {file, directory}), {instanceOf: CliError, message: /:2: /});
	t.throws(() => config.rules.install(file, {directory}), {instanceOf: CliError, message: /:2: /});
	t.deepEqual(contentsOf(directory), {});
});
