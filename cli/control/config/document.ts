/** A whole configuration as one JSON document, to and from a directory. */
import {type Native} from '../../native.js';
import {readText} from '../read-text.js';
import {ruleToJson} from '../rules/format-rule.js';
import {compileRules} from '../rules/compile-rules.js';
import {faultsOfList, parseRuleList, parseRulesText} from '../rules/parse-rules.js';
import {checkConfiguration} from './check-document.js';
import {refuse} from './choose-directory.js';
import {type Fault} from './fault.js';
import {lineOfPath} from './line-of-path.js';
import {parseJson} from './parse-json.js';
import {findOption, parseValue} from './parse-value.js';
import {
	formatPreloadConfig, parsePreloadConfig, readPreloadEntries, type PreloadEntry,
} from './preload-config.js';
import {otherFiles, type Directory} from './read-directory.js';
import {type ConfigurationJson} from './schema.js';
import {type Changes} from './write-directory.js';

const schemaName = 'config.schema.json';

/** Throws a CliError where something is faulty. */
export function exportDirectory(directory: Directory, native: Native): ReturnType<typeof directoryToDocument> {
	refuse(directory.faults, 'What is faulty cannot be exported: mend it first.');
	return directoryToDocument(directory, native);
}

export function directoryToDocument({path, values, rules, preload}: Directory, native: Native): ConfigurationJson & {readonly $schema: string} {
	const parsedRules = rules === undefined ? undefined : parseRulesText(rules, `${path}/${otherFiles.rules}`, native).rules;
	const entries = readPreloadEntries(preload);
	return {
		$schema: schemaName, version: 1,
		settings: Object.fromEntries([...values].map(([name, value]) => [name, findOption(name, native).values === '' ? Number(value) : value])),
		...(parsedRules && {rules: parsedRules.map(rule => ruleToJson(rule))}),
		...(entries && {preload: entries}),
	};
}

/** Reads and checks `file` (`-`: standard input); throws a CliError with every fault. */
export function readDocument(file: string, native: Native): ConfigurationJson {
	return parseDocument(readText(file), file, native);
}

/** The same of text; `file` is what faults name. */
export function parseDocument(text: string, file: string, native: Native): ConfigurationJson {
	const parsed = parseJson(text, file);
	const checked = 'fault' in parsed
		? {faults: [parsed.fault]}
		: checkConfiguration(parsed.value, {text, file}, native, (value, isSound) => {
			const {rules, preload} = (value ?? {}) as {readonly rules?: unknown; readonly preload?: unknown};
			return [...faultsOfList(rules, {text, file, path: '/rules', isSound}, native), ...preloadFaults(preload, {text, file, isSound})];
		});
	if ('faults' in checked) {
		refuse(checked.faults, remedy);
		return {version: 1};
	}

	// What only the whole list shows: too many rules.
	refuse(parseRuleList(checked.value.rules ?? [], {file, text, path: '/rules'}, native).faults, remedy);
	return checked.value;
}

function preloadFaults(preload: unknown, {text, file, isSound}: {readonly text: string; readonly file: string; readonly isSound: (path: string) => boolean}): Fault[] {
	return Array.isArray(preload)
		? preload.flatMap((entry: unknown, index) => isSound(`/preload/${index}`)
			? parsePreloadConfig(formatPreloadConfig([entry as PreloadEntry]), file).faults.map(fault => ({...fault, line: lineOfPath(text, `/preload/${index}`)}))
			: [])
		: [];
}

const remedy = 'Nothing was changed. config/config.schema.json says what a configuration is.';

/** The files that say what the document says; settings that it does not name are removed. */
export function documentToChanges({settings = {}, rules, preload}: ConfigurationJson, native: Native): Changes {
	const changes = new Map<string, string | undefined>(native.options().map(({name}) => [name, undefined]));
	for (const [name, value] of Object.entries(settings)) {
		changes.set(name, `${parseValue(findOption(name, native), String(value), native)}\n`);
	}

	const parsed = rules && parseRuleList(rules, {file: 'rules', text: '', path: '/rules'}, native).rules;
	changes.set(otherFiles.rules, parsed && `${compileRules(parsed, native, '\n')}\n`);
	changes.set(otherFiles.preload, preload && formatPreloadConfig(preload));
	changes.set(otherFiles.profile, undefined);
	return changes;
}
