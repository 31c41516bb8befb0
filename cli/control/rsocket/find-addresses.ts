/** The addresses of a host. */
import {lookup as dnsLookup} from 'node:dns';
import {isIP, type LookupFunction} from 'node:net';
import {type Address} from './connect-any.js';

export type Lookup = {
	readonly host: string;
	readonly family?: number | undefined;
	readonly hints?: number | undefined;
	readonly lookup?: LookupFunction | undefined;
};

/** At least one address; or the error of the look-up. Never called back at once for a name, always for an address. */
export function findAddresses({host, family = 0, hints = 0, lookup = dnsLookup}: Lookup, done: (error: NodeJS.ErrnoException | undefined, addresses: readonly Address[]) => void): void {
	const literal = isIP(host);
	if (literal !== 0) {
		done(undefined, [{address: host, family: literal === 6 ? 6 : 4}]);
		return;
	}

	// eslint-disable-next-line n/prefer-promises/dns -- the caller's own may be given instead
	lookup(host, {family, hints, all: true}, (error, found, foundFamily) => {
		const all = Array.isArray(found) ? found : [{address: found, family: foundFamily ?? isIP(found)}];
		done(error ?? undefined, error ? [] : all.map(one => ({address: one.address, family: one.family === 6 ? 6 : 4})));
	});
}
