/** Whether a program would be accelerated, by its name. */
import {type Native} from '../../native.js';
import {findProgram} from '../find-program.js';
import {toRaw} from '../raw.js';
import {judgeProgram, type Judgement} from './judge-program.js';
import {ownSystem} from './own-system.js';

/** `program`: a path, or a name that is looked up in `searchPath`. Throws a CliError where there is none. */
export function checkProgram(program: string, searchPath: string, native: Native): Judgement {
	const path = toRaw(searchPath);
	return judgeProgram(findProgram(toRaw(program), path), ownSystem(native, path), native);
}
