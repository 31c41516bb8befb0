/** Something wrong in a file, in the words that every check of rsconfig uses. */

export type Fault = {
	readonly file: string;
	/** From 1 on; undefined: the whole file. */
	readonly line?: number;
	/** A sentence without full stop. */
	readonly message: string;
	/** What would be right. */
	readonly remedy: string;
};

export function formatFault({file, line, message, remedy}: Fault): string {
	return `${file}${line === undefined ? '' : `:${line}`}: ${message}. ${remedy}`;
}
