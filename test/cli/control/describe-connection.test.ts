import test from 'ava';
import {formatAddress} from '../../../cli/control/describe-connection.js';

const ipv4 = 2;
const ipv6 = 10;

function address(...bytes: number[]): Uint8Array {
	return Uint8Array.from({length: 16}, (_, index) => bytes[index] ?? 0);
}

test('IPv4 is in the first four bytes', t => {
	t.is(formatAddress(ipv4, address(127, 0, 0, 1), 80), '127.0.0.1:80');
});

test('IPv6 is shortened', t => {
	t.is(formatAddress(ipv6, address(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), 443), '[::1]:443');
	t.is(formatAddress(ipv6, address(0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 1), 1), '[fe80::1:0:0:0]:1');
});

test('IPv4 in IPv6 reads as IPv4', t => {
	t.is(formatAddress(ipv6, address(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 1, 2, 3), 5), '10.1.2.3:5');
});
