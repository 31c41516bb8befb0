/** This system as find-obstacle looks at it. */
import process from 'node:process';
import {type Native} from '../../native.js';
import {ownMachine, type System} from '../find-obstacle.js';
import {findProgram} from '../find-program.js';
import {type Raw} from '../raw.js';

export function ownSystem(native: Native, path: Raw): System {
	return {
		lookUp(name) {
			try {
				return findProgram(name, path);
			} catch {
				return undefined;
			}
		},
		hasCapabilities: file => native.hasCapabilities(file),
		uid: process.getuid?.() ?? -1,
		gid: process.getgid?.() ?? -1,
		machine: ownMachine(),
	};
}
