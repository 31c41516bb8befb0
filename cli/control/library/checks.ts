/** What rscheck(1) finds out, as functions. */
import {availableParallelism, release} from 'node:os';
import process from 'node:process';
import {loadNative, preloadLibrary} from '../../native.js';
import {examineKernel} from '../check/examine-kernel.js';
import {examineLimits} from '../check/examine-limits.js';
import {examineRdma} from '../check/examine-rdma.js';
import {examineToolkit} from '../check/examine-toolkit.js';
import {judgeProgram, type Judgement} from '../check/judge-program.js';
import {type EnvFinding} from '../check/machine.js';
import {ownSystem} from '../check/own-system.js';
import {findProgram} from '../find-program.js';
import {toRaw} from '../raw.js';

export const check = {
	/** Whether a program, a path or a name in PATH, would be accelerated; it is not started. */
	program(file: string): Judgement {
		const native = loadNative();
		const path = toRaw(process.env['PATH'] ?? '/usr/bin:/bin');
		return judgeProgram(findProgram(toRaw(file), path), ownSystem(native, path), native);
	},

	/** Whether this machine and this process's limits are ready; nothing is started. */
	environment(): EnvFinding[] {
		const rdma = examineRdma('/', loadNative());
		return [
			...examineToolkit('/', preloadLibrary, process.env['LD_PRELOAD'] ?? ''),
			...examineKernel('/', {release: release(), cpus: availableParallelism()}),
			...examineLimits('/', process.pid, rdma.some(({code}) => code === 'device')),
			...rdma,
		];
	},
};
