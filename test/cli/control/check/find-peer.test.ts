import test from 'ava';
import {findPeer, plainAddress, readAddress} from '../../../../cli/control/check/find-peer.js';
import {type TcpRow} from '../../../../cli/control/check/ports.js';

/** 127.0.0.1 and its mapped form as the kernel of a little-endian machine writes them. */
const loopback = '0100007F';
const mapped = '0000000000000000FFFF00000100007F';
const ends = {local: '127.0.0.1', localPort: 40_000, peer: '127.0.0.1', peerPort: 80};

function row(change: Partial<TcpRow>): TcpRow {
	return {local: loopback, localPort: 80, peer: loopback, peerPort: 40_000, isListening: false, uid: 33, inode: 7, ...change};
}

const listener = row({peer: '00000000', peerPort: 0, isListening: true, inode: 3});

test('addresses of the kernel\'s tables', t => {
	t.is(readAddress(loopback), '127.0.0.1');
	t.is(readAddress(mapped), '127.0.0.1');
	t.is(readAddress('00000000000000000000000001000000'), '::1');
	t.is(readAddress('B80D0120000000000000000001000000'), '2001:db8::1');
});

test('addresses have one spelling', t => {
	t.is(plainAddress('::ffff:10.0.0.5'), '10.0.0.5');
	t.is(plainAddress('::ffff:a00:5'), '10.0.0.5');
	t.is(plainAddress('0:0:0:0:0:0:0:1'), '::1');
	t.is(plainAddress('fe80::1%eth0'), 'fe80::1');
});

test('the accepted socket is the peer', async t => {
	const own = row({localPort: 40_000, peerPort: 80, inode: 9, uid: 0});
	t.deepEqual(await findPeer(ends, () => [listener, own, row({})]), {uid: 33, inode: 7, isAccepted: true});
	t.deepEqual(await findPeer(ends, () => [row({local: mapped, peer: mapped})]), {uid: 33, inode: 7, isAccepted: true});
});

test('it may be accepted later', async t => {
	let looks = 0;
	const found = await findPeer(ends, () => [listener, row({inode: ++looks < 3 ? 0 : 7})], 10_000);
	t.is(found?.inode, 7);
	t.is(looks, 3);
});

test('until then the one that listens is taken for it', async t => {
	t.deepEqual(await findPeer(ends, () => [listener, row({inode: 0})], 0), {uid: 33, inode: 3, isAccepted: false});
	t.deepEqual(await findPeer(ends, () => [row({...listener, local: '00000000'})], 0), {uid: 33, inode: 3, isAccepted: false});
	t.is((await findPeer({...ends, local: '::1', peer: '::1'}, () => [row({...listener, local: '0'.repeat(32)})], 0))?.inode, 3);
});

test('another host\'s server is nobody here, even when the port is listened on', async t => {
	const far = {...ends, local: '10.0.0.1', peer: '10.0.0.2'};
	t.is(await findPeer(far, () => [row({...listener, local: '00000000'})], 0), undefined);
	t.is(await findPeer(ends, () => [], 0), undefined);
});
