/** From the arguments of rsrun(1) to its exit code. */
import {readOwnProcess} from '../control/own-process.js';
import {fromRaw} from '../control/raw.js';
import type * as runTool from '../control/tool/run-tool.js';
import {completionRequest} from '../control/tool/completion-script.js';
import {writeFully} from '../control/write-fully.js';
import {loadNative} from '../native.js';
import {load} from '../start.js';
import {defineRun} from './define-run.js';
import {parseRun} from './parse-run.js';
import {run} from './run.js';

/** Returns only where nothing takes the place of this process. */
export async function runMain(args: readonly string[], version: string): Promise<number> {
	const native = loadNative();
	if (args[0] === completionRequest) {
		const {main} = load('./control/tool/run-tool.js') as typeof runTool;
		return main(defineRun(native));
	}

	const own = readOwnProcess();
	const parsed = parseRun(own.args.map(argument => fromRaw(argument)), native, version);
	if ('output' in parsed) {
		writeFully(1, parsed.output);
		return 0;
	}

	const status = run(parsed, own, native);
	if ('code' in status) {
		return status.code;
	}

	native.die(status.signal);
	return 128 + status.signal;
}
