/** Users of the system. */
import {readFileSync} from 'node:fs';
import process from 'node:process';

export type Account = {readonly uid: number; readonly gid: number};

/** Undefined: no such user, or we are not root and cannot become anybody. */
export function findAccount(name: string | undefined): Account | undefined {
	if (name === undefined || name === '' || process.getuid?.() !== 0) {
		return undefined;
	}

	const line = readFileSync('/etc/passwd', 'utf8').split('\n').find(entry => entry.startsWith(`${name}:`));
	const [uid, gid] = line?.split(':').slice(2, 4) ?? [];
	return uid === undefined || gid === undefined ? undefined : {uid: Number(uid), gid: Number(gid)};
}
