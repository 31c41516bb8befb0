/** Which ends of an application run under the toolkit. */

export type End = 'server' | 'client';

export type Mode = 'plain' | 'both' | 'server' | 'client';

/** `plain` is the oracle that the others are compared with. */
export const modes = ['both', 'server', 'client'] as const;

const preloaded: Readonly<Record<Mode, readonly End[]>> = {
	plain: [], both: ['server', 'client'], server: ['server'], client: ['client'],
};

export function isPreloaded(mode: Mode, end: End): boolean {
	return preloaded[mode].includes(end);
}
