/** Rules between their text and their JSON form. */
import {type Rule} from './parse-rules.js';

/** config/config.schema.json says it in full. */
export type RuleJson = {
	readonly use?: string;
	readonly role?: string;
	readonly program?: string;
	readonly peer?: string;
	/** A number, or `7000-7010`. */
	readonly port?: number | string;
	readonly set?: Readonly<Record<string, number | string>>;
	readonly profile?: string;
};

/** The line that says the same. */
export function formatRule({use, role = '*', program = '*', peer = '*', port = '*', set, profile}: RuleJson): string {
	if (set) {
		return `set ${program} ${Object.entries(set).map(([key, value]) => `${key}=${value}`).join(' ')}`;
	}

	return profile === undefined ? `use ${use ?? ''} ${role} ${program} ${peer}:${port}` : `profile ${program} ${profile}`;
}

export function ruleToJson({parsed}: Rule): RuleJson {
	const {program} = parsed;
	if (parsed.kind === 'use') {
		const {transport, role, peer, portMin, portMax} = parsed;
		const port = portMin === portMax ? portMin : `${portMin}-${portMax}`;
		return {use: transport === 'auto' ? 'both' : transport, role, program, peer, ...(portMin > 0 && {port})};
	}

	if (parsed.kind === 'profile') {
		return {profile: parsed.rest, program};
	}

	const pairs = parsed.rest.split(/\s+/).map(pair => pair.split('=') as [string, string]);
	return {set: Object.fromEntries(pairs.map(([key, value]) => [key, /^(?:-?\d+|0x[\da-f]+)$/i.test(value) ? Number(value) : value])), program};
}
