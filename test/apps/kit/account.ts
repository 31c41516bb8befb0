/** Users of the system. */
import {readFileSync} from 'node:fs';
import {type Account} from './child.js';

/** The uid and gid of `name` in /etc/passwd. */
export function findAccount(name: string): Account {
	const line = readFileSync('/etc/passwd', 'utf8').split('\n').find(entry => entry.startsWith(`${name}:`));
	const [uid, gid] = line?.split(':').slice(2, 4) ?? [];
	if (uid === undefined || gid === undefined) {
		throw new Error(`there is no user ${name}`);
	}

	return {uid: Number(uid), gid: Number(gid)};
}
