/** Builds the environment that makes the target load the library. */
import {CliError} from './cli-error.js';
import {type Environment} from './environment.js';
import {
	joinRaw, splitRaw, toRaw, type Raw,
} from './raw.js';

export type Wishes = {
	/** The library to preload. */
	readonly library: string;
	/** Checked `key=value` pairs; the last one of a key wins. */
	readonly settings: readonly string[];
	readonly configDirectory: string | undefined;
	/** Checked, as the core reads them from its variable. */
	readonly rules?: string | undefined;
	/** A file made by statsCreate. */
	readonly reportPath: string | undefined;
	/** Absolute: where the flight recorder is to stay. */
	readonly tracePath?: string | undefined;
};

export function prepareEnvironment(environment: Environment, wishes: Wishes): void {
	// The dynamic linker splits at spaces and colons and expands dollars; there is no way to quote them.
	if (/[\s:$]/.test(wishes.library)) {
		throw new CliError(`the library's path ${wishes.library} cannot stand in LD_PRELOAD`, {
			code: 'library-path',
			remedy: 'Move the toolkit to a path without spaces, colons and dollars.',
		});
	}

	append(environment, 'LD_PRELOAD', ':', [toRaw(wishes.library)]);
	append(environment, 'RSOCKET_SET', ',', wishes.settings.map(pair => toRaw(pair)));
	if (wishes.configDirectory !== undefined) {
		environment.set('RSOCKET_CONFIG_DIR', toRaw(wishes.configDirectory));
	}

	if (wishes.rules !== undefined) {
		environment.set('RSOCKET_RULES', wishes.rules as Raw);
	}

	if (wishes.reportPath !== undefined) {
		environment.set('RSOCKET_REPORT', toRaw(wishes.reportPath));
	}

	if (wishes.tracePath !== undefined) {
		environment.set('RSOCKET_TRACE', toRaw(wishes.tracePath));
	}
}

/** What the caller already had stays first; nothing is added that already is the last. */
function append(environment: Environment, name: string, separator: string, values: readonly Raw[]): void {
	if (values.length === 0) {
		return;
	}

	const existing = environment.get(name);
	const before = existing ? splitRaw(existing, separator) : [];
	environment.set(name, joinRaw([...before.filter(value => !values.includes(value)), ...values].join(separator) as Raw));
}
