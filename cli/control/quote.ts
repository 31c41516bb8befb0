/** Words as a POSIX shell would need them. */

export function quote(word: string): string {
	return /^[\w%+,./:=@-]+$/.test(word) ? word : `'${word.replaceAll('\'', String.raw`'\''`)}'`;
}
