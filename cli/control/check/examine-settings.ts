/** Whether the settings that a program started here would get are right. */
import {type Native} from '../../native.js';
import {effectiveSettings} from '../config/effective.js';
import {readDirectory, otherFiles} from '../config/read-directory.js';
import {checkSetting} from '../check-setting.js';
import {CliError} from '../cli-error.js';
import {finding, type EnvFinding} from './machine.js';

/** `set`: RSOCKET_SET. */
export function examineSettings(directory: string, set: string, native: Native): EnvFinding[] {
	const read = readDirectory(directory, native);
	const transport = effectiveSettings(read, new Map(), set, native).find(({name}) => name === 'transport')?.value;
	return [
		read.exists
			? finding(['settings', 'good', 'directory'], `${directory}: ${read.values.size} ${read.values.size === 1 ? 'setting' : 'settings'}${read.rules === undefined ? '' : ', and rules'}`)
			: finding(['settings', 'good', 'directory'], `${directory} does not exist: everything is at its default`),
		// Without sound rules the library takes no connection off TCP; other faults cost one value.
		...read.faults.map(({file, line, message, remedy}) => finding(['settings', file.endsWith(`/${otherFiles.rules}`) ? 'bad' : 'warning', 'fault'], `${file}${line === undefined ? '' : `:${line}`}: ${message}`, remedy)),
		...set.split(',').filter(Boolean).flatMap(pair => examinePair(pair, native)),
		...(transport === 'tcp' ? [finding(['settings', 'warning', 'transport'], 'transport is tcp: nothing is promoted.', 'rsconfig unset transport; or rsrun --transport auto')] : []),
	];
}

function examinePair(pair: string, native: Native): EnvFinding[] {
	try {
		checkSetting(pair, native);
		return [];
	} catch (error) {
		if (error instanceof CliError) {
			return [finding(['settings', 'warning', 'variable'], `RSOCKET_SET: ${error.message}`, error.remedy)];
		}

		throw error;
	}
}
