import {existsSync, readFileSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {CliError, config, type ConfigEvent} from '../../../../cli/index.js';
import {makeTemporaryDirectory, writeTemporaryFile} from '../../helpers/temporary-directory.js';

test('settings', t => {
	const directory = path.join(makeTemporaryDirectory(t), 'rsocket');
	config.set({mem_default: '1M', polling_time: '50us'}, {directory});
	t.is(readFileSync(path.join(directory, 'mem_default'), 'utf8'), '1048576\n');
	t.like(config.get('mem_default', {directory}), {value: 1_048_576, default: 131_072, source: {kind: 'file'}});
	config.set({mem_default: undefined}, {directory});
	t.false(existsSync(path.join(directory, 'mem_default')));
	t.is(config.list({directory}).find(({name}) => name === 'polling_time')?.value, 50);
	t.deepEqual(config.validate({directory}), []);
	writeTemporaryFile(directory, 'sqsize_default', 'many\n');
	t.is(config.validate({directory}).length, 1);
	t.throws(() => {
		config.set({mem_default: 1, polling_time: 'soon'}, {directory});
	}, {instanceOf: CliError});
	t.false(existsSync(path.join(directory, 'mem_default')));
	t.true(config.profiles().some(({name}) => name === 'balanced'));
});

test('profiles, differences and documents', t => {
	const directory = path.join(makeTemporaryDirectory(t), 'rsocket');
	const planned = config.apply('low-cpu', {directory, dryRun: true});
	t.true(planned.length > 0);
	t.false(existsSync(directory));
	t.deepEqual(config.apply('low-cpu', {directory}), planned);
	t.deepEqual(config.apply('low-cpu', {directory}), []);
	t.deepEqual(config.diff('low-cpu', {directory}), []);
	t.true(config.diff(undefined, {directory}).length > 0);
	t.is(config.get('polling_time', {directory}).profiles['low-cpu'], String(config.get('polling_time', {directory}).value));
	const document = config.export({directory});
	const other = path.join(makeTemporaryDirectory(t), 'rsocket');
	config.import(document, {directory: other});
	t.deepEqual(config.diff(document, {directory: other}), []);
	t.throws(() => config.import({version: 1, settings: {polling_tim: 1}}, {directory: other}), {instanceOf: CliError, message: /the document:/});
	config.import({version: 1}, {directory: other});
	t.deepEqual(config.diff(undefined, {directory: other}), []);
});

test('following a directory', async t => {
	const directory = makeTemporaryDirectory(t);
	const controller = new AbortController();
	const events: ConfigEvent[] = [];
	await config.watch(event => {
		events.push(event);
		if (event.event === 'start') {
			writeTemporaryFile(directory, 'polling_time', '7\n');
		} else {
			controller.abort();
		}
	}, {directory, signal: controller.signal});
	t.like(events[0], {event: 'start', exists: true, faults: []});
	t.like(events[1], {event: 'change', file: path.join(directory, 'polling_time'), before: null, after: '7\n'});
});

test('a name that is no setting', t => {
	t.like(t.throws(() => config.get('polling_tim'), {instanceOf: CliError}), {code: 'setting-unknown'});
	t.throws(() => config.set({polling_tim: 1}, {directory: '/nowhere', dryRun: true}), {instanceOf: CliError, message: 'no setting is called "polling_tim"'});
});

test('preload_config', t => {
	const directory = path.join(makeTemporaryDirectory(t), 'rsocket');
	t.is(config.preloadConfig.read({directory}), undefined);
	config.preloadConfig.write([{program: '*', domain: 'INET', type: 'STREAM', protocol: '*'}], {directory});
	t.is(readFileSync(path.join(directory, 'preload_config'), 'utf8'), '* INET STREAM *\n');
	const entries = config.preloadConfig.read({directory});
	t.is(entries?.length, 1);
	t.deepEqual(config.preloadConfig.write(entries, {directory}), []);
	t.throws(() => config.preloadConfig.write([{program: '*', domain: 'AX25', type: 'STREAM', protocol: '*'}], {directory}), {instanceOf: CliError});
	config.preloadConfig.write(undefined, {directory});
	t.is(config.preloadConfig.read({directory}), undefined);
});
