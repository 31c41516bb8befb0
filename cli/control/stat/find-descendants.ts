/** A process and those that it started. */
import {listPids, proc, readText} from './read-process.js';

/** Children of a process that has ended belong to nobody's family any more. */
export function findDescendants(pid: number, root = proc): number[] {
	const children = new Map<number, number[]>();
	for (const child of listPids(root)) {
		const parent = Number(/^PPid:\s+(\d+)$/m.exec(readText(`${root}/${child}/status`))?.[1] ?? 0);
		children.set(parent, [...children.get(parent) ?? [], child]);
	}

	// What is added meanwhile is gone through too; a pid that was used again while it was read may be its own ancestor.
	const family = new Set([pid]);
	for (const member of family) {
		for (const child of children.get(member) ?? []) {
			family.add(child);
		}
	}

	return [...family];
}
