/** Rules that can never decide anything, because an earlier one always does. */
import {type Rule} from './parse-rules.js';

export type Unreachable = {readonly rule: Rule; readonly because: Rule};

export function findUnreachable(rules: readonly Rule[]): Unreachable[] {
	return rules.flatMap((rule, index) => {
		const because = rules.slice(0, index).find(earlier => covers(earlier, rule));
		return because ? [{rule, because}] : [];
	});
}

/** Whether every connection, or program, of `later` is one of `earlier` too; false when that is not plain to see. */
function covers({parsed: earlier}: Rule, {parsed: later}: Rule): boolean {
	if (!isWider(earlier.program, later.program)) {
		return false;
	}

	if (earlier.kind !== 'use' || later.kind !== 'use') {
		return earlier.kind !== 'use' && later.kind !== 'use';
	}

	return isWider(earlier.role, later.role) && isWider(earlier.peer, later.peer)
		&& earlier.portMin <= later.portMin && earlier.portMax >= later.portMax;
}

function isWider(pattern: string, other: string): boolean {
	return pattern === '*' || pattern === other;
}
