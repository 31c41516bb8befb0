/** Which ends of an application run preloaded. */

export type End = 'server' | 'client';

export type Mix = {
	readonly name: string;
	readonly preloaded: readonly End[];
	/** RSOCKET_SET of the preloaded ends. */
	readonly settings: string;
};

/** The oracle: what the application does on kernel TCP. */
export const plain: Mix = {name: 'plain', preloaded: [], settings: ''};

/** Each must give the same outcome as `plain`. */
export const mixes: readonly Mix[] = [
	{name: 'both ends', preloaded: ['server', 'client'], settings: ''},
	{name: 'both ends, promoted from the first call', preloaded: ['server', 'client'], settings: 'promote_after_calls=1'},
	{name: 'both ends, sleeping, small rings', preloaded: ['server', 'client'], settings: 'polling_time=0,ring_size=4096'},
	{name: 'server only', preloaded: ['server'], settings: ''},
	{name: 'client only', preloaded: ['client'], settings: ''},
];

/** Those in which connections are promoted: enough for another variant of an application. */
export const promotingMixes = mixes.filter(({preloaded}) => preloaded.length === 2);
