import {spawn} from 'node:child_process';
import {once} from 'node:events';
import process from 'node:process';
import {createInterface} from 'node:readline';
import test from 'ava';
import {findFamily} from '../../../../cli/control/check/find-family.js';

test('children count, also those in sessions of their own; dead ones do not', async t => {
	const child = spawn('sh', ['-c', String.raw`sleep 60 & echo $!; setsid sh -c "echo \$\$; exec sleep 60" & wait`], {stdio: ['ignore', 'pipe', 'inherit'], detached: true});
	const lines: number[] = [];
	for await (const line of createInterface(child.stdout)) {
		lines.push(Number(line));
		if (lines.length === 2) {
			break;
		}
	}

	const family = findFamily(child.pid ?? 0);
	t.true(family.includes(child.pid ?? 0));
	t.true(lines.every(pid => family.includes(pid)));
	for (const pid of family) {
		process.kill(pid, 'SIGKILL');
	}

	await once(child, 'exit');
	t.deepEqual(findFamily(child.pid ?? 0).filter(pid => !lines.includes(pid)), []);
});
