/** What both ends are doing right now: the text that a hang leaves behind. */
import {execFile} from 'node:child_process';
import {existsSync} from 'node:fs';
import {readdir, readFile, readlink} from 'node:fs/promises';

const linesShown = 40;

/** Every process of the families of `leaders`, and the sockets on `ports`. */
export async function snapshot(leaders: readonly number[], ports: readonly number[]): Promise<string> {
	const pids = await familyOf(leaders);
	const parts = await Promise.all([...pids.map(async pid => describeProcess(pid)), describeSockets(ports)]);
	return parts.join('\n\n');
}

/** The living processes in the sessions that `leaders` lead, and their descendants in sessions of their own (sshd's). */
export async function familyOf(leaders: readonly number[]): Promise<number[]> {
	const entries = await readdir('/proc');
	const all = await Promise.all(entries.filter(name => /^\d+$/u.test(name)).map(async pid => readProcess(Number(pid))));
	const family = new Set(all.filter(({pid, session}) => leaders.includes(session) || leaders.includes(pid)).map(({pid}) => pid));
	for (let before = -1; before !== family.size;) {
		before = family.size;
		for (const {pid, parent} of all) {
			if (family.has(parent)) {
				family.add(pid);
			}
		}
	}

	return all.filter(({pid, isAlive}) => isAlive && family.has(pid)).map(({pid}) => pid);
}

type Process = {readonly pid: number; readonly parent: number; readonly session: number; readonly isAlive: boolean};

async function readProcess(pid: number): Promise<Process> {
	const stat = await readOr(`/proc/${pid}/stat`, '');
	// The name in parentheses may hold spaces: state, parent, group and session follow it.
	const [state, parent, , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
	return {pid, parent: Number(parent ?? -1), session: Number(session ?? -1), isAlive: state !== undefined && state !== 'Z' && state !== 'X'};
}

async function describeProcess(pid: number): Promise<string> {
	const [command, threads, descriptors, stacks] = await Promise.all([
		readOr(`/proc/${pid}/cmdline`, '?'), describeThreads(pid), describeDescriptors(pid), describeStacks(pid),
	]);
	return [`process ${pid}: ${command.replaceAll('\0', ' ')}`, threads, descriptors, stacks].join('\n');
}

async function describeThreads(pid: number): Promise<string> {
	const threads = await listOr(`/proc/${pid}/task`);
	const lines = await Promise.all(threads.slice(0, linesShown).map(async thread => {
		const base = `/proc/${pid}/task/${thread}`;
		const [name, wchan, syscall, kernelStack] = await Promise.all(['comm', 'wchan', 'syscall', 'stack'].map(async file => readOr(`${base}/${file}`, '?')));
		return `  thread ${thread} ${name?.trim()}: ${wchan}, syscall ${syscall?.trim()}, ${kernelStack?.trim().split('\n').slice(0, 4).join(' < ')}`;
	}));
	return lines.join('\n');
}

async function describeDescriptors(pid: number): Promise<string> {
	const numbers = await listOr(`/proc/${pid}/fd`);
	const targets = await Promise.all(numbers.slice(0, linesShown).map(async number => {
		try {
			return `${number} ${await readlink(`/proc/${pid}/fd/${number}`)}`;
		} catch {
			return `${number} ?`;
		}
	}));
	return `  descriptors (${numbers.length}): ${targets.join(', ')}`;
}

async function describeStacks(pid: number): Promise<string> {
	return existsSync('/usr/bin/gdb')
		? run('/usr/bin/gdb', ['-p', String(pid), '-batch', '-nx', '-ex', 'set print thread-events off', '-ex', 'thread apply all backtrace 16'])
		: '  (gdb would show the stacks)';
}

async function describeSockets(ports: readonly number[]): Promise<string> {
	const filter = ports.map(port => `sport = :${port} or dport = :${port}`).join(' or ');
	const output = await run('ss', ['-tnpiOHa', `( ${filter} )`]);
	const lines = output.split('\n').map(line => line.replaceAll(/\s+/gu, ' '));
	return [`${lines.length} sockets`, ...lines.slice(0, linesShown)].join('\n');
}

async function run(file: string, args: readonly string[]): Promise<string> {
	return new Promise(resolve => {
		execFile(file, args, {timeout: 20_000, maxBuffer: 16_777_216}, (error, stdout) => {
			resolve(error ? `  ${file}: ${error.message}\n${stdout}` : stdout);
		});
	});
}

async function readOr(path: string, otherwise: string): Promise<string> {
	try {
		return await readFile(path, 'utf8');
	} catch {
		return otherwise;
	}
}

async function listOr(path: string): Promise<string[]> {
	try {
		return await readdir(path);
	} catch {
		return [];
	}
}
