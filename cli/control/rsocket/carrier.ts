/** What carries a connection, and why. */
import {loadNative, type CarrierRecord} from '../../native.js';

export type Carrier = {
	/** How bytes written now go: kernel TCP, or shared memory. */
	readonly send: 'tcp' | 'shm' | 'verbs';
	/** How bytes that the peer writes now come. */
	readonly recv: 'tcp' | 'shm' | 'verbs';
	/** Stable: `promoted`, `peer-absent`, ... as in the report of rsrun(1). */
	readonly reason: string;
	/** The same as a sentence, and what to do about it. */
	readonly text: string;
	readonly remedy: string;
	/** Of all transports. */
	readonly sendBytes: number;
	readonly recvBytes: number;
	/** The part through shared memory. */
	readonly shmSendBytes: number;
	readonly shmRecvBytes: number;
};

let reasons: ReturnType<ReturnType<typeof loadNative>['reasons']> | undefined;

export function describeCarrier({reason, ...rest}: CarrierRecord): Carrier {
	reasons ??= loadNative().reasons();
	const {code = 'unknown', text = '', remedy = ''} = reasons[reason] ?? {};
	return {...rest, reason: code, text, remedy};
}
