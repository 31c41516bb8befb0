#!/usr/bin/env node
/** Main of rsrun(1). */
import {readFileSync} from 'node:fs';
import process from 'node:process';
import {parseRun} from './commands/parse-run.js';
import {run} from './commands/run.js';
import {CliError} from './control/cli-error.js';
import {readOwnProcess} from './control/own-process.js';
import {fromRaw} from './control/raw.js';
import {writeFully} from './control/write-fully.js';
import {loadNative, type ExitStatus, type Native} from './native.js';

async function main(native: Native): Promise<ExitStatus> {
	const own = readOwnProcess();
	const parsed = parseRun(own.args.map(argument => fromRaw(argument)), native, packageVersion());
	if ('output' in parsed) {
		writeFully(1, parsed.output);
		return {code: 0};
	}

	return run(parsed, own, native);
}

function packageVersion(): string {
	const {version} = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {version: string};
	return version;
}

try {
	const native = loadNative();
	const status = await main(native);
	if ('signal' in status) {
		native.die(status.signal);
		process.exit(128 + status.signal);
	}

	process.exit(status.code);
} catch (error) {
	if (!(error instanceof CliError)) {
		throw error;
	}

	writeFully(2, `rsrun: ${error.message}\n${error.remedy}\n`);
	process.exit(error.exitCode);
}
