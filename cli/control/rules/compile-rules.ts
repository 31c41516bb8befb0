/** What rules become for the core, which knows no profiles. */
import {type Native} from '../../native.js';
import {profilePairs, readProfile} from '../profiles/profiles.js';
import {joinRaw, toRaw, type Raw} from '../raw.js';
import {type Rule} from './parse-rules.js';

/** Words of a use rule before what it gives its connections. */
const useWords = 5;

/** Text that the core takes as RSOCKET_RULES or as its file: checked, without comments, profiles resolved; one character a byte. */
export function compileRules(rules: readonly Rule[], native: Native, separator: string): Raw {
	return rules.map(rule => compileRule(rule, native)).join(separator) as Raw;
}

function compileRule({raw, parsed}: Rule, native: Native): Raw {
	// The bytes of the names, whatever they are.
	const words = raw.split(/[ \t]+/) as Raw[];
	if (parsed.kind === 'profile') {
		return joinRaw(toRaw('set '), words[1]!, toRaw(` ${profilePairs(readProfile(parsed.rest, native), native).join(' ')}`));
	}

	return parsed.kind === 'use' && parsed.profile !== undefined
		? [...words.slice(0, useWords), ...ownSettings(parsed, native)].join(' ') as Raw
		: raw;
}

/** Of a use rule: `key=value` of each setting that its connections have of their own. Those of a profile that only a process can have are left out. */
export function ownSettings(parsed: Rule['parsed'] & {kind: 'use'}, native: Native): string[] {
	const isOwn = new Set(native.options().filter(({isOfConnection}) => isOfConnection).map(({name}) => name));
	const profile = parsed.profile === undefined ? [] : profilePairs(readProfile(parsed.profile, native), native);
	const values = new Map([...profile, ...splitPairs(parsed.rest ?? '')].map(pair => pair.split('=') as [string, string]));
	return [...values].filter(([name]) => isOwn.has(name)).map(pair => pair.join('='));
}

export function splitPairs(text: string): string[] {
	return text.split(/\s+/).filter(Boolean);
}
