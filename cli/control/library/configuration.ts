/** What rsconfig(1) does, as functions. */
import process from 'node:process';
import {loadNative} from '../../native.js';
import {perform, type Change} from '../config/change.js';
import {settingsOf} from '../config/choose-directory.js';
import {diffDirectory, type Difference} from '../config/diff.js';
import {exportDirectory, parseDocument, readDocument} from '../config/document.js';
import {
	editByDocument, editByProfile, editPreload, editSettings, type Edit, type SettingValues,
} from '../config/edits.js';
import {type Setting} from '../config/effective.js';
import {explainSetting, type ExplainedSetting} from '../config/explain-setting.js';
import {type Fault} from '../config/fault.js';
import {type FileChange} from '../config/compare-directories.js';
import {readPreloadEntries, type PreloadEntry} from '../config/preload-config.js';
import {type ConfigurationJson} from '../config/schema.js';
import {watchConfiguration} from '../config/watch-configuration.js';
import {listProfiles, readProfile, type Profile} from '../profiles/profiles.js';
import {
	directoryOf, neverAborted, readOf, type ChangeOptions, type ConfigOptions,
} from './defaults.js';
import {rules} from './rules.js';

/** `start`: how the directory stands; `change`: one file of it. */
export type ConfigEvent
	= | {readonly event: 'start'; readonly directory: string; readonly exists: boolean; readonly faults: readonly Fault[]}
		| ({readonly event: 'change'} & FileChange);

function change(edit: Edit, {dryRun = false}: ChangeOptions): Change[] {
	return perform(edit, {isDryRun: dryRun, native: loadNative()});
}

/**
The settings of a directory. Whatever is wrong is a CliError that says what to do; a change is made as a whole or not at all, and returns the files that
it changed.

@example
```
config.set({mem_default: '1M', polling_time: '50us'}, {directory: '/srv/app/rsocket'});
config.get('polling_time').source; // {kind: 'environment', variable: 'RSOCKET_SET'}
config.apply('low-cpu', {dryRun: true});
```
*/
export const config = {
	/** Every setting: its value for a program started now, its default, and where the value comes from. */
	list(options: ConfigOptions = {}): Setting[] {
		return settingsOf(readOf(options), {env: process.env, native: loadNative()});
	},

	/** One of them, and what the profiles make of it. */
	get(name: string, options: ConfigOptions = {}): ExplainedSetting {
		return explainSetting(name, readOf(options), {env: process.env, native: loadNative()});
	},

	/** `{mem_default: '1M', polling_time: '50us'}`; undefined puts a setting back to its default. */
	set(values: SettingValues, options: ChangeOptions = {}): Change[] {
		return change(editSettings(readOf(options), values, loadNative()), options);
	},

	/** Empty: all is well. */
	validate(options: ConfigOptions = {}): readonly Fault[] {
		return readOf(options).faults;
	},

	/** Those that `apply`, `diff` and `run` know by name. */
	profiles(): Profile[] {
		return listProfiles().map(name => readProfile(name, loadNative()));
	},

	/** Writes the settings of a profile: its name, or the path of its file. Those that profiles are about and this one leaves open go back to their defaults. */
	apply(profile: string, options: ChangeOptions = {}): Change[] {
		return change(editByProfile(readOf(options), profile, loadNative()), options);
	},

	/** Where the directory differs from a profile (its name), an exported document (itself or its file), or the defaults. */
	diff(other?: string | ConfigurationJson, options: ConfigOptions = {}): readonly Difference[] {
		return diffDirectory(readOf(options), typeof other === 'object' ? checked(other) : other, loadNative()).differences;
	},

	/** The whole configuration, as config/config.schema.json describes it. */
	export(options: ConfigOptions = {}): ConfigurationJson {
		return exportDirectory(readOf(options), loadNative());
	},

	/** Makes the directory what an exported document (itself or its file) says: what it does not have is removed. */
	import(document: string | ConfigurationJson, options: ChangeOptions = {}): Change[] {
		const native = loadNative();
		return change(editByDocument(readOf(options), typeof document === 'string' ? readDocument(document, native) : checked(document), native), options);
	},

	/**
	Tells how the directory stands, then of each file that changes, until `signal` is aborted. The directory need not exist yet.

	@example
	```
	await config.watch(event => console.log(event), {signal: AbortSignal.timeout(60_000)});
	```
	*/
	async watch(listener: (event: ConfigEvent) => void, {signal = neverAborted(), ...options}: ConfigOptions & {readonly signal?: AbortSignal | undefined} = {}): Promise<void> {
		await watchConfiguration(directoryOf(options), {
			native: loadNative(),
			signal,
			onStart({path: directory, exists, faults}) {
				listener({event: 'start', directory, exists, faults});
			},
			onChange(fileChange) {
				listener({event: 'change', ...fileChange});
			},
		});
	},

	/** Which connections may leave TCP. */
	rules,

	/** rdma-core's file preload_config: which sockets of which programs its own preload library takes. */
	preloadConfig: {
		/** Undefined: there is no such file. Lines with faults are left out: `validate` has them. */
		read(options: ConfigOptions = {}): readonly PreloadEntry[] | undefined {
			return readPreloadEntries(readOf(options).preload);
		},

		/** Undefined: the file is removed. */
		write(entries: readonly PreloadEntry[] | undefined, options: ChangeOptions = {}): Change[] {
			return change(editPreload(readOf(options), entries && checked({version: 1, preload: entries}).preload), options);
		},
	},
};

/** As if it had been read from a file: throws a CliError with every fault. */
function checked(document: ConfigurationJson): ConfigurationJson {
	return parseDocument(JSON.stringify(document, undefined, '\t'), 'the document', loadNative());
}
