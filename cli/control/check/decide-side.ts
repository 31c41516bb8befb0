/** What the settings of one end say about leaving TCP. */
import path from 'node:path';
import {type Native} from '../../native.js';
import {defaultDirectory, readDirectory} from '../config/read-directory.js';
import {effectiveSettings} from '../config/effective.js';
import {toRaw} from '../raw.js';
import {findSettingsRule, findUseRule, type Subject} from '../rules/decide.js';
import {parseRulesText, type Rule} from '../rules/parse-rules.js';

export type Side = Subject & {
	/** RSOCKET_SET. */
	readonly settings: string;
	/** RSOCKET_RULES. */
	readonly rules: string | undefined;
	/** Undefined: the usual one. */
	readonly configDirectory: string | undefined;
};

export type Refusal = {
	readonly code: 'setting' | 'rule';
	/** Where it stands: after a preposition. */
	readonly where: string;
};

/** Undefined: nothing is against it. The library reads the files, then the rules, then RSOCKET_SET. */
export function findRefusal(side: Side, native: Native): Refusal | undefined {
	const directory = readDirectory(side.configDirectory ?? defaultDirectory, native);
	const isVariable = side.rules !== undefined && side.rules !== '';
	const source = isVariable ? 'RSOCKET_RULES' : path.join(directory.path, 'rules');
	const {rules, faults} = parseRulesText(isVariable ? toRaw(side.rules.replaceAll(';', '\n')) : directory.rules ?? '', source, native);
	const settingsRule = findSettingsRule(rules, side.program, native);
	const setByRule = pairsOf(settingsRule);
	const transportBy = (pairs: string) => effectiveSettings(directory, new Map(), pairs, native).find(({name}) => name === 'transport');
	const transport = transportBy([setByRule, side.settings].filter(Boolean).join(','));
	if (transport?.value === 'tcp') {
		const isBySet = transportBy(side.settings)?.source.kind === 'environment';
		return {code: 'setting', where: transport.source.kind === 'file' ? transport.source.file : (isBySet ? 'RSOCKET_SET' : `${source}, line ${settingsRule?.line}`)};
	}

	if (faults.length > 0) {
		return {code: 'rule', where: `${source}, which has a fault`};
	}

	const rule = findUseRule(rules, side, native);
	return rule?.parsed.kind === 'use' && rule.parsed.transport === 'tcp' ? {code: 'rule', where: `${source}, line ${rule.line}: ${rule.text.trim()}`} : undefined;
}

function pairsOf(rule: Rule | undefined): string {
	return rule?.parsed.kind === 'set' ? rule.parsed.rest.split(/\s+/).join(',') : '';
}
