/** Rules between their text and their JSON form. */
import {splitPairs} from './compile-rules.js';
import {type Rule} from './parse-rules.js';

/** config/config.schema.json says it in full. */
export type RuleJson = {
	readonly use?: string;
	readonly role?: string;
	readonly program?: string;
	readonly peer?: string;
	/** A number, or `7000-7010`. */
	readonly port?: number | string;
	/** With `use`, what the connections have of their own; these win over the profile's. Else of the program. */
	readonly set?: Readonly<Record<string, number | string>>;
	readonly profile?: string;
};

/** The line that says the same. */
export function formatRule({use, role = '*', program = '*', peer = '*', port = '*', set, profile}: RuleJson): string {
	const pairs = Object.entries(set ?? {}).map(([key, value]) => `${key}=${value}`);
	if (use !== undefined) {
		return ['use', use, role, program, `${peer}:${port}`, ...(profile === undefined ? [] : [`profile=${profile}`]), ...pairs].join(' ');
	}

	return profile === undefined ? `set ${program} ${pairs.join(' ')}` : `profile ${program} ${profile}`;
}

export function ruleToJson({parsed}: Rule): RuleJson {
	const {program} = parsed;
	if (parsed.kind === 'use') {
		const {transport, role, peer, portMin, portMax} = parsed;
		const port = portMin === portMax ? portMin : `${portMin}-${portMax}`;
		return {
			use: transport === 'auto' ? 'both' : transport, role, program, peer, ...(portMin > 0 && {port}),
			...(parsed.profile !== undefined && {profile: parsed.profile}), ...(parsed.rest !== undefined && {set: pairsToJson(splitPairs(parsed.rest))}),
		};
	}

	if (parsed.kind === 'profile') {
		return {profile: parsed.rest, program};
	}

	return {set: pairsToJson(splitPairs(parsed.rest)), program};
}

/** Of pairs that name a setting twice, the last one counts. */
export function pairsToJson(pairs: readonly string[]): Record<string, number | string> {
	return Object.fromEntries(pairs.map(pair => {
		const [key = '', value = ''] = pair.split('=');
		return [key, /^(?:-?\d+|0x[\da-f]+)$/i.test(value) ? Number(value) : value];
	}));
}
