/** What rsconfig(1) does, as functions. */
import path from 'node:path';
import process from 'node:process';
import {loadNative} from '../../native.js';
import {settingsOf} from '../config/choose-directory.js';
import {type Setting} from '../config/effective.js';
import {type Fault} from '../config/fault.js';
import {findOption, parseValue} from '../config/parse-value.js';
import {defaultDirectory, readDirectory, type Directory} from '../config/read-directory.js';
import {writeDirectory} from '../config/write-directory.js';
import {listProfiles, readProfile, type Profile} from '../profiles/profiles.js';

export type ConfigOptions = {
	/** Instead of RSOCKET_CONFIG_DIR or /etc/rdma/rsocket. */
	readonly directory?: string;
};

/** Everything throws a CliError that says what is wrong and what to do. */
export const config = {
	/** Every setting: its value for a program started now, its default, and where the value comes from. */
	list(options: ConfigOptions = {}): Setting[] {
		return settingsOf(read(options), {env: process.env, native: loadNative()});
	},

	get(name: string, options: ConfigOptions = {}): Setting {
		const {name: known} = findOption(name, loadNative());
		return config.list(options).find(setting => setting.name === known)!;
	},

	/** All or none: `{mem_default: '1M', polling_time: '50us'}`; undefined puts one back to its default. */
	set(values: Readonly<Record<string, number | string | undefined>>, options: ConfigOptions = {}): void {
		const native = loadNative();
		const changes = new Map(Object.entries(values).map(([name, value]) => {
			const option = findOption(name, native);
			return [option.name, value === undefined ? undefined : `${parseValue(option, String(value), native)}\n`] as const;
		}));
		writeDirectory(directoryOf(options), changes, native);
	},

	/** Empty: all is well. */
	validate(options: ConfigOptions = {}): readonly Fault[] {
		return read(options).faults;
	},

	profiles(): Profile[] {
		return listProfiles().map(name => readProfile(name, loadNative()));
	},
};

function directoryOf({directory = process.env['RSOCKET_CONFIG_DIR']}: ConfigOptions): string {
	return path.resolve(directory === undefined || directory === '' ? defaultDirectory : directory);
}

function read(options: ConfigOptions): Directory {
	return readDirectory(directoryOf(options), loadNative());
}
