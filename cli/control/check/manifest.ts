/** Applications as config/apps/*.json describe them. */
import {readdirSync, readFileSync, statSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {Ajv, type ErrorObject, type ValidateFunction} from 'ajv';
import {CliError} from '../cli-error.js';
import {findNearest} from '../find-nearest.js';
import {readText} from '../read-text.js';

export type Command = {
	readonly run: readonly string[];
	readonly user?: string;
	readonly env?: Readonly<Record<string, string>>;
	readonly input?: string;
};

export type Server = Omit<Command, 'input'> & {
	readonly ready: {readonly port?: string; readonly output?: string};
};

type Step = Command & {
	readonly name: string;
	readonly status?: number;
	readonly ignore?: readonly string[];
};

/** What config/app.schema.json describes. */
export type Manifest = {
	readonly name: string;
	readonly about: string;
	readonly packages: {readonly debian?: readonly string[]; readonly npm?: readonly string[]};
	readonly needs?: readonly string[];
	readonly path?: readonly string[];
	readonly ports?: Readonly<Record<string, number>>;
	readonly directories?: Readonly<Record<string, string>>;
	readonly files?: Readonly<Record<string, string | readonly string[]>>;
	readonly prepare?: readonly Command[];
	readonly start: readonly Server[];
	readonly exercise: readonly Step[];
	readonly verify: Readonly<Record<string, string>>;
	readonly stop?: NodeJS.Signals;
	readonly promotes: number | string;
	/** Where {programs} is. */
	readonly programs?: string;
};

/** From dist/cli/control/check. */
const configUrl = new URL('../../../../config/', import.meta.url);

export const ownApps = fileURLToPath(new URL('apps/', configUrl));

/** `words`: names of our own manifests, files, or directories of files; none: all of our own. */
export function loadManifests(words: readonly string[]): Manifest[] {
	const files = words.length === 0 ? filesIn(ownApps) : words.flatMap(word => filesFor(word));
	const manifests = files.map(file => readManifest(file));
	const twice = manifests.find(({name}, index) => manifests.findIndex(other => other.name === name) !== index);
	if (twice) {
		throw new CliError(`two manifests are called ${twice.name}`, {code: 'manifest-twice', remedy: 'Give each a name of its own, or name it once.'});
	}

	return manifests;
}

/** Throws a CliError that says where and what. */
export function readManifest(file: string): Manifest {
	const fail = (message: string, remedy: string): never => {
		throw new CliError(`${file}: ${message}`, {code: 'manifest', remedy, details: {file}});
	};

	let text: string;
	try {
		text = readText(file);
	} catch (error) {
		return fail(error instanceof Error ? error.message : String(error), 'Check the path. rscheck matrix --list names our own manifests.');
	}

	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch (error) {
		return fail(error instanceof Error ? error.message : String(error), 'Correct the JSON.');
	}

	const check = validator();
	if (!check(value)) {
		return fail(describe(check.errors?.[0]), 'config/app.schema.json says what a manifest may hold.');
	}

	const manifest = {...value as Manifest, programs: path.join(path.resolve(path.dirname(file)), 'programs')};
	const problem = findProblem(manifest);
	return problem === undefined ? manifest : fail(problem, 'config/app.schema.json says what a manifest may hold.');
}

function filesIn(directory: string): string[] {
	const files = readdirSync(directory).filter(name => name.endsWith('.json')).toSorted((a, b) => a.localeCompare(b)).map(name => path.join(directory, name));
	if (files.length === 0) {
		throw new CliError(`${directory} holds no manifests`, {code: 'manifest', remedy: 'Name a directory with manifests (*.json), or none for our own.'});
	}

	return files;
}

function filesFor(word: string): string[] {
	if (word.includes('/') || word.endsWith('.json')) {
		return statSync(word, {throwIfNoEntry: false})?.isDirectory() ? filesIn(word) : [word];
	}

	const known = filesIn(ownApps);
	const file = known.find(candidate => path.basename(candidate, '.json') === word);
	if (file === undefined) {
		const nearest = findNearest(word, known.map(candidate => path.basename(candidate, '.json')));
		throw new CliError(`no application is called ${word}`, {
			code: 'manifest-unknown', remedy: `${nearest ? `Did you mean ${nearest}? ` : ''}rscheck matrix --list names them all; a path to a manifest works too.`,
		});
	}

	return [file];
}

let compiled: ValidateFunction | undefined;

function validator(): ValidateFunction {
	if (!compiled) {
		const schema = JSON.parse(readFileSync(new URL('app.schema.json', configUrl), 'utf8')) as object;
		compiled = new Ajv({allowUnionTypes: true, formats: {regex: (text: string) => isPattern(text)}}).compile(schema);
	}

	return compiled;
}

function isPattern(text: string): boolean {
	try {
		return Boolean(new RegExp(text, 'u'));
	} catch {
		return false;
	}
}

function describe(error: ErrorObject | undefined): string {
	const where = (error?.instancePath ?? '').replaceAll('/', '.').slice(1);
	const extra = error?.keyword === 'additionalProperties' ? ` (${String(error.params['additionalProperty'])})` : '';
	return `${where === '' ? 'the manifest' : where} ${error?.message ?? 'is wrong'}${extra}`;
}

/** What a schema cannot say. */
function findProblem({ports, start, exercise, verify}: Manifest): string | undefined {
	const names = Object.keys(ports ?? {port: 0});
	const port = start.map(({ready}) => ready.port).find(name => name !== undefined && !names.includes(name));
	if (port !== undefined) {
		return `start waits for a port ${port}, which ports does not name`;
	}

	const steps = exercise.map(({name}) => name);
	const twice = steps.find((name, index) => steps.indexOf(name) !== index);
	if (twice !== undefined) {
		return `two steps of exercise are called ${twice}`;
	}

	const unknown = Object.keys(verify).find(name => !steps.includes(name));
	return unknown === undefined ? undefined : `verify speaks of ${unknown}, which is no step of exercise`;
}
