import test from 'ava';
import {normalizeConnect, normalizeListen, type ConnectArguments, type ListenArguments} from '../../../../cli/control/rsocket/options.js';

const listener = (): void => undefined;

test('every way to name a peer', t => {
	for (const [args, options, heard] of [
		[[80], {port: 80, host: undefined}, undefined], [[80, listener], {port: 80, host: undefined}, listener], [[80, 'host'], {port: 80, host: 'host'}, undefined], [[80, 'host', listener], {port: 80, host: 'host'}, listener],
		[[{port: 80, host: 'host', noDelay: true}], {port: 80, host: 'host', noDelay: true}, undefined], [[{port: 80}, listener], {port: 80}, listener],
	] as ReadonlyArray<readonly [ConnectArguments, object, unknown]>) {
		t.deepEqual(normalizeConnect(args), {options, listener: heard} as ReturnType<typeof normalizeConnect>, `${JSON.stringify(args)}`);
	}
});

test('every way to name a place to listen on', t => {
	for (const [args, options, heard] of [
		[[], {port: 0, host: undefined, backlog: undefined}, undefined], [[listener], {port: 0, host: undefined, backlog: undefined}, listener],
		[[80, 'host', 10, listener], {port: 80, host: 'host', backlog: 10}, listener], [[80, undefined, 10], {port: 80, host: undefined, backlog: 10}, undefined],
		[[{host: 'host', backlog: 5}], {port: 0, host: 'host', backlog: 5}, undefined], [[{port: undefined, ipv6Only: true}], {port: 0, ipv6Only: true}, undefined],
		[[undefined], {port: 0, host: undefined, backlog: undefined}, undefined], [[null], {port: 0, host: undefined, backlog: undefined}, undefined],
	] as unknown as ReadonlyArray<readonly [ListenArguments, object, unknown]>) {
		t.deepEqual(normalizeListen(args), {options, listener: heard} as ReturnType<typeof normalizeListen>, `${JSON.stringify(args)}`);
	}
});

test('a port as text becomes a number', t => {
	t.is(normalizeConnect(['80' as unknown as number]).options.port, 80);
	t.is(normalizeListen([{port: '80' as unknown as number}]).options.port, 80);
});

test('options are not changed', t => {
	const options = Object.freeze({port: 80, host: 'host'});
	t.not(normalizeConnect([options]).options, options);
	t.notThrows(() => normalizeListen([options]));
});

test('wrong ports, and none where there must be one', t => {
	for (const args of [[], [listener], [undefined], [null], [{}], [{host: 'host'}], ['/path'], [-1], [65_536], [{port: 1.5}], [{port: ''}], [{path: '/path'}]]) {
		t.throws(() => normalizeConnect(args as unknown as ConnectArguments), {code: 'ERR_SOCKET_BAD_PORT', instanceOf: RangeError}, `${JSON.stringify(args)}`);
	}

	for (const args of [['/path'], [-1], [65_536], [{port: Number.NaN}]]) {
		t.throws(() => normalizeListen(args as unknown as ListenArguments), {code: 'ERR_SOCKET_BAD_PORT', instanceOf: RangeError}, `${JSON.stringify(args)}`);
	}
});
