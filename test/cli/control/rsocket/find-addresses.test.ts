import {type LookupFunction} from 'node:net';
import test from 'ava';
import {type Address} from '../../../../cli/control/rsocket/connect-any.js';
import {findAddresses, type Lookup} from '../../../../cli/control/rsocket/find-addresses.js';

type Found = {readonly error: NodeJS.ErrnoException | undefined; readonly addresses: readonly Address[]};

async function find(lookup: Lookup): Promise<Found> {
	return new Promise(resolve => {
		findAddresses(lookup, (error, addresses) => {
			resolve({error, addresses});
		});
	});
}

test('an address is its own answer, at once, and nobody is asked', t => {
	const lookup: LookupFunction = () => {
		t.fail();
	};

	for (const [host, family] of [['127.0.0.1', 4], ['::1', 6], ['fe80::1%lo', 6]] as const) {
		let found: Found | undefined;
		findAddresses({host, lookup}, (error, addresses) => {
			found = {error, addresses};
		});
		t.deepEqual(found, {error: undefined, addresses: [{address: host, family}]});
	}
});

test('a name is looked up, never at once', async t => {
	let isReturned = false;
	const found = new Promise<Found>(resolve => {
		findAddresses({host: 'localhost'}, (error, addresses) => {
			t.true(isReturned);
			resolve({error, addresses});
		});
		isReturned = true;
	});
	t.true((await found).addresses.some(({address}) => address === '127.0.0.1' || address === '::1'));
	const {addresses} = await find({host: 'localhost', family: 4});
	t.deepEqual(addresses, [{address: '127.0.0.1', family: 4}]);
});

test('a look-up of one\'s own is asked for all, and may give one', async t => {
	const asked: unknown[] = [];
	const answer = (...values: unknown[]): LookupFunction => (name, options, done) => {
		asked.push([name, options]);
		(done as (...args: unknown[]) => void)(null, ...values);
	};

	const host = 'some.name';
	t.deepEqual((await find({host, family: 6, hints: 32, lookup: answer([{address: '::2', family: 6}, {address: '10.0.0.1', family: 4}])})).addresses, [{address: '::2', family: 6}, {address: '10.0.0.1', family: 4}]);
	t.deepEqual(asked, [[host, {family: 6, hints: 32, all: true}]]);
	t.deepEqual((await find({host, lookup: answer('10.0.0.1', 4)})).addresses, [{address: '10.0.0.1', family: 4}]);
	t.deepEqual((await find({host, lookup: answer('::3')})).addresses, [{address: '::3', family: 6}]);
});

test('its error is passed on, without addresses', async t => {
	const error = Object.assign(new Error('no'), {code: 'ENOTFOUND'});
	const found = await find({host: 'some.name', lookup(_name, _options, done) {
		done(error, [{address: '10.0.0.1', family: 4}]);
	}});
	t.deepEqual(found, {error, addresses: []});
	const {error: real} = await find({host: 'no-such-name.invalid'});
	t.true(['ENOTFOUND', 'EAI_AGAIN'].includes(real?.code ?? ''));
});
