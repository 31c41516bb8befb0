/** `10.0.0.5:6379`, `[::1]:80`. */
import {isIPv4, isIPv6, SocketAddress} from 'node:net';
import {CliError} from '../cli-error.js';

export type Peer = {
	/** Without brackets. */
	readonly address: string;
	readonly port: number;
};

export function parsePeer(text: string): Peer {
	const [, six, four, digits = ''] = /^(?:\[([^\]]*)]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
	const port = Number(digits);
	const address = six ?? four ?? '';
	const isAddress = six === undefined ? isIPv4(address) : isIPv6(address) && !address.includes('%');
	if (!isAddress || digits === '' || port < 1 || port > 65_535) {
		throw new CliError(`"${text}" is not an address and a port`, {
			code: 'peer', remedy: 'Write 10.0.0.5:6379, or [::1]:6379: numbers, and the port from 1 to 65535 that the server listens on.',
		});
	}

	return {address: withoutMapping(address), port};
}

/** IPv4 within IPv6 is IPv4 to the rules. */
function withoutMapping(address: string): string {
	return isIPv4(address) ? address : new SocketAddress({address, family: 'ipv6'}).address.replace(/^::ffff:(?=\d+\.)/, '');
}
