/** Guesses what a mistyped name was meant to be. */

/** The candidate with the fewest single-character edits, if that is few enough to be a typing error. */
export function findNearest(name: string, candidates: readonly string[]): string | undefined {
	let nearest: string | undefined;
	let nearestDistance = Math.max(2, Math.ceil(name.length / 2));
	for (const candidate of candidates) {
		const distance = editDistance(name, candidate);
		if (distance < nearestDistance) {
			nearest = candidate;
			nearestDistance = distance;
		}
	}

	return nearest;
}

/** Characters added, left out, exchanged, or swapped with their neighbour; one row at a time. */
function editDistance(from: string, to: string): number {
	let before: number[] = [];
	let row = Array.from({length: to.length + 1}, (_, index) => index);
	for (const [fromIndex, fromCharacter] of [...from].entries()) {
		const next = [fromIndex + 1];
		for (const [toIndex, toCharacter] of [...to].entries()) {
			const isSwapped = fromIndex > 0 && toIndex > 0 && fromCharacter === to[toIndex - 1] && from[fromIndex - 1] === toCharacter;
			next.push(Math.min(
				(row[toIndex + 1] ?? 0) + 1,
				(next[toIndex] ?? 0) + 1,
				(row[toIndex] ?? 0) + (fromCharacter === toCharacter ? 0 : 1),
				isSwapped ? (before[toIndex - 1] ?? 0) + 1 : Infinity,
			));
		}

		before = row;
		row = next;
	}

	return row[to.length] ?? 0;
}
