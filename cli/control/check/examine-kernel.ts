/** What the kernel lets the library do. */
import {
	finding, readSystemFile, readSystemNumber, type EnvFinding, type Root,
} from './machine.js';

/** Sealed memfds, NETLINK_SOCK_DIAG with cookies, TCP_INFO's byte counts and epoll_pwait2 are all there from here on. */
const oldest = [5, 14] as const;

export type Kernel = {readonly release: string; readonly cpus: number};

export function examineKernel(root: Root, {release, cpus}: Kernel): EnvFinding[] {
	const isFilteredAlready = /^Seccomp:\s+2$/m.test(readSystemFile(root, 'proc/self/status') ?? '');
	return [
		examineRelease(release),
		...when(readSystemNumber(root, 'proc/sys/vm/memfd_noexec') === 2, finding(['kernel', 'bad', 'memfd-noexec'], 'vm.memfd_noexec is 2: the kernel refuses the memory that rings are made of.', 'sysctl vm.memfd_noexec=1')),
		...when(readSystemFile(root, 'proc/net/unix') === undefined, finding(['kernel', 'bad', 'unix-sockets'], 'There are no unix sockets here: two ends cannot meet.', 'Use a kernel with CONFIG_UNIX; in a container, mount /proc.')),
		...when((readSystemNumber(root, 'proc/sys/vm/max_map_count') ?? mapsUsual) < mapsUsual, finding(['kernel', 'warning', 'max-map-count'], `vm.max_map_count is less than the usual ${mapsUsual}: each promoted connection needs one mapping.`, `sysctl vm.max_map_count=${mapsUsual}`)),
		...when(readSystemNumber(root, 'proc/sys/vm/overcommit_memory') === 2, finding(['kernel', 'warning', 'overcommit'], 'vm.overcommit_memory is 2: rings count in full, used or not.', 'Lower ring_size when many connections are to be promoted.')),
		...when(isFilteredAlready, finding(['kernel', 'note', 'seccomp'], 'This shell runs behind a system-call filter, as in containers: whether it lets the library work, a child of each program finds out.')),
		...when(cpus === 1, finding(['kernel', 'note', 'one-cpu'], 'There is one CPU: nothing ever spins, polling_time has no effect.')),
	];
}

const mapsUsual = 65_530;

function examineRelease(release: string): EnvFinding {
	const [major = 0, minor = 0] = release.split('.').map(part => Number.parseInt(part, 10));
	const isOld = major < oldest[0] || (major === oldest[0] && minor < oldest[1]);
	return isOld
		? finding(['kernel', 'warning', 'release'], `Linux ${release} is older than ${oldest.join('.')}, the oldest that this was made for.`, 'Use a newer kernel, or trust the conversation below.')
		: finding(['kernel', 'good', 'release'], `Linux ${release}`);
}

function when(condition: boolean, what: EnvFinding): EnvFinding[] {
	return condition ? [what] : [];
}
