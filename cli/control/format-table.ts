/** Text in columns. */

/** One line for `head` and one a row; columns named in `right` are aligned at their right edge. */
export function formatTable(head: readonly string[], rows: ReadonlyArray<readonly string[]>, right: ReadonlySet<string>): string[] {
	const table = [head, ...rows];
	const widths = head.map((_, column) => Math.max(...table.map(row => row[column]?.length ?? 0)));
	return table.map(row => row.map((cell, column) => {
		const width = widths[column] ?? 0;
		return right.has(head[column] ?? '') ? cell.padStart(width) : cell.padEnd(width);
	}).join('  ').trimEnd());
}
