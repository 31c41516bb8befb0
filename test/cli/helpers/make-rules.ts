/** A directory of settings, and a file of rules beside it. */
import path from 'node:path';
import {makeRoot} from './make-root.js';

/** Of every kind. */
export const soundRules = `# who may
use tcp server redis-server *:6379
use both * redis-* 10.0.0.0/8:6379  # the rest of redis

use shm client * [fd00::]/8:7000-7010
set redis-* polling_time=0
profile nginx latency
`;

export function makeRules(t: Parameters<typeof makeRoot>[0], content = soundRules): {directory: string; file: string} {
	const root = makeRoot(t, {'new.rules': content, 'settings/polling_time': '5\n'});
	return {directory: path.join(root, 'settings'), file: path.join(root, 'new.rules')};
}
