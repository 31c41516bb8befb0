/** The processes that a program started, and theirs. */
import {readdirSync, readFileSync} from 'node:fs';

type Entry = {readonly pid: number; readonly parent: number; readonly session: number; readonly isAlive: boolean};

/** The living members of the session that `leader` leads, and their descendants in sessions of their own. */
export function findFamily(leader: number): number[] {
	const all = readdirSync('/proc').filter(name => /^\d+$/.test(name)).flatMap(name => readEntry(Number(name)) ?? []);
	const family = new Set(all.filter(({pid, session}) => pid === leader || session === leader).map(({pid}) => pid));
	for (let before = -1; before !== family.size;) {
		before = family.size;
		for (const {pid, parent} of all) {
			if (family.has(parent)) {
				family.add(pid);
			}
		}
	}

	return all.filter(({pid, isAlive}) => isAlive && family.has(pid)).map(({pid}) => pid);
}

function readEntry(pid: number): Entry | undefined {
	try {
		const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
		// The name in parentheses may hold spaces: state, parent, group and session follow it.
		const [state, parent, , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
		return {pid, parent: Number(parent), session: Number(session), isAlive: state !== 'Z' && state !== 'X'};
	} catch {
		return undefined;
	}
}
