/** What a program that is started here may use. */
import {
	finding, readSystemFile, type EnvFinding, type Root,
} from './machine.js';

type Limit = {readonly name: string; readonly soft: number; readonly hard: number};

const mebibyte = 1024 ** 2;

const usualFiles = 1024;

/** The largest ring that the kernel's own buffers ask for. */
const ringBytes = 16 * mebibyte;

/** `pid`: the shell, whose soft limits count because Node raises its own; unless ours are lower. */
export function examineLimits(root: Root, pid: number, hasRdma: boolean): EnvFinding[] {
	const both = [`proc/${pid}/limits`, 'proc/self/limits'].map(file => readLimits(readSystemFile(root, file) ?? ''));
	const limit = (name: string): Limit => {
		const rows = both.flatMap(limits => limits.filter(row => row.name === name));
		return {name, soft: Math.min(...rows.map(({soft}) => soft)), hard: Math.min(...rows.map(({hard}) => hard))};
	};

	const files = limit('Max open files');
	const memory = limit('Max locked memory');
	const size = limit('Max file size');
	return [
		files.soft < usualFiles
			? finding(['limits', 'warning', 'nofile'], `${files.soft} open files (ulimit -n): fewer than the usual ${usualFiles}; the library needs some for itself.`, raise(files))
			: finding(['limits', 'good', 'nofile'], `${show(files.soft)} open files (ulimit -n), at most ${show(files.hard)}`),
		hasRdma && memory.soft < 64 * mebibyte
			? finding(['limits', 'warning', 'memlock'], `${show(memory.soft / 1024)} KiB of locked memory (ulimit -l): RDMA devices need the memory of each connection locked.`, 'ulimit -l unlimited; or a line "* - memlock unlimited" in /etc/security/limits.conf')
			: finding(['limits', 'good', 'memlock'], `${show(memory.soft / 1024)} KiB of locked memory (ulimit -l)${hasRdma ? '' : ': shared memory needs none'}`),
		...(size.soft < ringBytes ? [finding(['limits', 'warning', 'fsize'], `Files may have ${show(size.soft)} bytes (ulimit -f): rings obey that too.`, 'ulimit -f unlimited; or lower ring_size')] : []),
	];
}

/** Beyond the hard limit only root can go. */
function raise({hard}: Limit): string {
	return hard >= usualFiles
		? `ulimit -n ${Math.min(hard, 65_536)}`
		: 'As root: prlimit --pid $$ --nofile=65536:65536 in this shell; for good, a line "* - nofile 65536" in /etc/security/limits.conf, or LimitNOFILE=65536 in the unit of a service.';
}

function show(value: number): string {
	return value === Infinity ? 'unlimited' : String(value);
}

function readLimits(text: string): Limit[] {
	return [...text.matchAll(/^(\S+(?: \S+)*) {2,}(\S+) +(\S+)/gm)].map(([, name = '', soft = '', hard = '']) => ({name, soft: readLimit(soft), hard: readLimit(hard)}));
}

function readLimit(text: string): number {
	return text === 'unlimited' ? Infinity : Number(text);
}
