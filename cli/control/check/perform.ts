/** Runs an application once, and compares two such runs. */
import path from 'node:path';
import {type Native} from '../../native.js';
import {type Connection} from '../describe-connection.js';
import {type Manifest} from './manifest.js';
import {type Mode} from './modes.js';
import {Stage} from './stage.js';

export type Circumstances = {
	readonly mode: Mode;
	readonly settings: string;
	readonly library: string;
	readonly native: Native;
	readonly npmDirectory: string;
	readonly searchPath: string;
	readonly readyTimeoutMs: number;
	readonly stepTimeoutMs: number;
	readonly signal: AbortSignal;
};

type StepOutcome = {readonly status: number | string; readonly output: string};

export type Outcome = {
	readonly steps: Readonly<Record<string, StepOutcome>>;
	readonly connections: readonly Connection[];
	readonly durationMs: number;
	/** It did not get as far as the steps. */
	readonly error: string | undefined;
	/** Programs that had to be killed at the end. */
	readonly stubborn: readonly string[];
	readonly log: string;
};

export type Difference = {readonly step: string; readonly what: string; readonly expected: string; readonly got: string};

export async function perform(manifest: Manifest, circumstances: Circumstances): Promise<Outcome> {
	const start = performance.now();
	const stage = await Stage.open({
		...circumstances, ports: manifest.ports ?? {port: 0}, stopSignal: manifest.stop ?? 'SIGTERM',
		words: {npm: path.join(circumstances.npmDirectory, 'node_modules'), programs: manifest.programs ?? ''},
	});
	const steps: Record<string, StepOutcome> = {};
	let error: string | undefined;
	try {
		try {
			await setUp(manifest, stage);
			for (const step of manifest.exercise) {
				// eslint-disable-next-line no-await-in-loop
				const {status, stdout} = await stage.run('client', step);
				steps[step.name] = {status, output: withoutIgnored(stdout, step.ignore ?? [])};
			}
		} catch (error_) {
			error = error_ instanceof Error ? error_.message : String(error_);
		}

		const stubborn = await stage.stop();
		return {stubborn, steps, connections: stage.connections(), durationMs: Math.round(performance.now() - start), error, log: stage.log()};
	} finally {
		await stage.close();
	}
}

async function setUp(manifest: Manifest, stage: Stage): Promise<void> {
	for (const [name, owner] of Object.entries(manifest.directories ?? {})) {
		// eslint-disable-next-line no-await-in-loop
		await stage.makeDirectory(name, owner);
	}

	for (const [name, text] of Object.entries(manifest.files ?? {})) {
		// eslint-disable-next-line no-await-in-loop
		await stage.writeText(name, typeof text === 'string' ? text : text.map(line => `${line}\n`).join(''));
	}

	for (const command of manifest.prepare ?? []) {
		// eslint-disable-next-line no-await-in-loop
		const {status, stderr} = await stage.run(undefined, command);
		if (status !== 0) {
			throw new Error(`${command.run.join(' ')} ended with ${status}: ${stderr.slice(-1000)}`);
		}
	}

	for (const server of manifest.start) {
		// eslint-disable-next-line no-await-in-loop
		await stage.serve(server);
	}
}

/** `text` without what the patterns match. */
export function withoutIgnored(text: string, patterns: readonly string[]): string {
	let rest = text;
	for (const pattern of patterns) {
		rest = rest.replaceAll(new RegExp(pattern, 'gmu'), '');
	}

	return rest;
}

/** Why a run on plain TCP is not what the manifest promises; undefined: it is. */
export function findBreakage({exercise, verify}: Manifest, plain: Outcome): string | undefined {
	if (plain.error !== undefined) {
		return plain.error;
	}

	for (const {name, status = 0} of exercise) {
		const got = plain.steps[name];
		if (got?.status !== status) {
			return `${name} ended with ${got?.status ?? 'nothing'}, not ${status}\n${plain.log}`;
		}

		const pattern = verify[name];
		if (pattern !== undefined && !new RegExp(pattern, 'u').test(got.output)) {
			return `the output of ${name} does not match ${pattern}: ${excerpt(got.output)}`;
		}
	}

	return undefined;
}

export function findDifferences(expected: Outcome, got: Outcome): Difference[] {
	if (got.error !== undefined) {
		return [{step: 'start', what: 'error', expected: 'ready', got: got.error}];
	}

	const stubborn = got.stubborn.filter(program => !expected.stubborn.includes(program));
	return [...compareSteps(expected, got), ...stubborn.map(program => ({step: 'stop', what: program, expected: 'ends when told to', got: 'had to be killed'}))];
}

function compareSteps(expected: Outcome, got: Outcome): Difference[] {
	return Object.entries(expected.steps).flatMap(([step, {status, output}]) => {
		const other = got.steps[step];
		return [
			...(other?.status === status ? [] : [{step, what: 'status', expected: String(status), got: String(other?.status)}]),
			...(other?.output === output ? [] : [{step, what: 'output', ...firstDifference(output, other?.output ?? '')}]),
		];
	});
}

/** The lines in which two texts part. */
export function firstDifference(expected: string, got: string): {expected: string; got: string} {
	const left = expected.split('\n');
	const right = got.split('\n');
	const at = left.findIndex((line, index) => line !== right[index]);
	const line = at === -1 ? left.length : at;
	return {expected: `line ${line + 1}: ${excerpt(left[line] ?? '(end)')}`, got: `line ${line + 1}: ${excerpt(right[line] ?? '(end)')}`};
}

function excerpt(text: string): string {
	return text.length > 300 ? `${text.slice(0, 300)}... (${text.length} characters)` : text;
}
