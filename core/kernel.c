/* The engine's view of the kernel: clocks, sealed memory, and descriptors of our own that the application never meets. */
#include "kernel.h"
#include "barrier.h"

#include <errno.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define OWN_FD_MAX (1 << 20)

int (*kernel_ppoll)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *) = ppoll;
int (*kernel_epoll_pwait)(int, struct epoll_event *, int, int, const sigset_t *) = epoll_pwait;
int (*kernel_epoll_pwait2)(int, struct epoll_event *, int, const struct timespec *, const sigset_t *) = epoll_pwait2;

uint64_t clock_ticks_us = 1000;
long spin_cpus;

/* One bit a descriptor: ours. Set before the number can matter to anyone, cleared before it is closed. */
static uint64_t own_fds[OWN_FD_MAX / 64];

static uint64_t clock_read(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

uint64_t clock_monotonic(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

uint64_t clock_realtime(void)
{
	return clock_read(CLOCK_REALTIME);
}

/* The two clocks at one moment: of several looks the one that took least, as another one may have lasted for a scheduler's turn. */
static void clocks_read(uint64_t *ns, uint64_t *ticks)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		uint64_t before = clock_ticks(), now = clock_monotonic(), took = clock_ticks() - before;

		if (took < least) {
			least = took;
			*ns = now;
			*ticks = before + took / 2;
		}
	}
}

static void measure(void)
{
	uint64_t start_ns = 0, start = 0, end_ns = 0, end = 0, cpus[128] = {0};

	/* 50 us give the tick rate to about one percent, which is enough to bound a spin. */
	clocks_read(&start_ns, &start);
	do
		clocks_read(&end_ns, &end);
	while (end_ns - start_ns < 50000);
	clock_ticks_us = (end - start) * 1000 / (end_ns - start_ns);
	if (clock_ticks_us == 0)
		clock_ticks_us = 1;
	spin_cpus = sys_call3(SYS_sched_getaffinity, 0, sizeof cpus, cpus);
	if (spin_cpus > 0) {
		long bytes = spin_cpus;

		spin_cpus = 0;
		for (long i = 0; i < bytes / 8; i++)
			spin_cpus += __builtin_popcountll(cpus[i]);
	}
}

void kernel_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, measure);
}

bool kernel_random(void *buf, size_t size)
{
	return sys_call3(SYS_getrandom, buf, size, 0) == (long)size;
}

int kernel_poll_now(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};
	struct timespec zero = {0};
	long n = sys_call5(SYS_ppoll, &p, 1, &zero, NULL, 8);

	/* Interrupted with nothing found: a signal is pending, which is not an answer. */
	if (n == -EINTR)
		return 0;
	return n < 0 ? (int)n : p.revents;
}

bool kernel_is_zombie(uint32_t pid)
{
	int fd = (int)sys_call2(SYS_pidfd_open, pid, 0), revents;

	/* Threads but the first leave no zombie. */
	if (fd < 0)
		return false;
	revents = kernel_poll_now(fd, POLLIN);
	sys_close(fd);
	return revents > 0 && (revents & POLLIN);
}

void kernel_sleep_ms(long ms)
{
	struct timespec time = {ms / 1000, ms % 1000 * 1000000};

	sys_call2(SYS_nanosleep, &time, NULL);
}

/* DIFFERS: for a moment the descriptor has a low number. */
int own_fd(int fd)
{
	struct rlimit limit;
	int moved = -1;

	if (fd < 0)
		return fd;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		long top = limit.rlim_cur > OWN_FD_MAX ? OWN_FD_MAX : (long)limit.rlim_cur;
		/* The last eighth, but not beyond 64 Ki: the kernel sizes a process's descriptor array by its highest number. */
		long floor = top > 65536 ? 65536 - 8192 : top - top / 8;

		moved = kernel_fcntl(fd, F_DUPFD_CLOEXEC, floor);
	}
	if (moved >= 0) {
		sys_close(fd);
		fd = moved;
	}
	own_fd_adopt(fd);
	return fd;
}

void own_fd_adopt(int fd)
{
	if (fd < OWN_FD_MAX)
		fetch_or(&own_fds[fd / 64], 1ull << (fd % 64));
}

unsigned own_fds_max(unsigned most)
{
	struct rlimit limit;
	rlim_t share = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur / 16 : most;

	return share == 0 ? 1 : share < most ? (unsigned)share : most;
}

void own_fd_close(int fd)
{
	if (fd < 0)
		return;
	if (fd < OWN_FD_MAX)
		fetch_and(&own_fds[fd / 64], ~(1ull << (fd % 64)));
	sys_close(fd);
}

bool own_fd_is(int fd)
{
	return fd >= 0 && fd < OWN_FD_MAX && (load_relaxed(&own_fds[fd / 64]) >> (fd % 64) & 1);
}

int own_fd_next(int fd)
{
	for (unsigned i = (unsigned)fd / 64; i < OWN_FD_MAX / 64; i++) {
		uint64_t bits = load_relaxed(&own_fds[i]);

		if (i == (unsigned)fd / 64)
			bits &= ~0ull << (fd % 64);
		if (bits)
			return (int)(i * 64) + __builtin_ctzll(bits);
	}
	return -1;
}

/* Whether SIZE bytes of address space are ours to take: of a limited one, half stays the program's. */
static bool may_map(size_t size)
{
	struct rlimit limit;
	char text[32] = "";
	int file;

	if (getrlimit(RLIMIT_AS, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return true;
	file = sys_openat(AT_FDCWD, "/proc/self/statm", O_RDONLY | O_CLOEXEC, 0);
	if (file >= 0) {
		sys_read(file, text, sizeof text - 1);
		sys_close(file);
	}
	return file >= 0 && strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) + size <= limit.rlim_cur / 2;
}

int kernel_memory_new(const char *name, size_t size, int seals, int *fd, void **map)
{
	struct rlimit limit;
	int new, error;
	void *mem = NULL;

	/* A memfd obeys RLIMIT_FSIZE, and going over it is a signal, not an error. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size)
		return -EFBIG;
	if (!may_map(size))
		return -ENOMEM;
	new = (int)sys_call2(SYS_memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (new < 0)
		return new;
	new = own_fd(new);
	error = (int)sys_call2(SYS_ftruncate, new, size);
	if (error == 0) {
		mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, new, 0);
		if (mem == MAP_FAILED) {
			error = -ENOMEM;
		} else {
			error = kernel_fcntl(new, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | seals);
			if (error < 0)
				kernel_unmap(mem, size);
		}
	}
	if (error < 0) {
		own_fd_close(new);
		return error;
	}
	*fd = new;
	*map = mem;
	return 0;
}

int kernel_memory_map(int fd, size_t size, int seals, int prot, void **map)
{
	int have = kernel_fcntl(fd, F_GET_SEALS, 0);
	struct statfs fs;
	struct stat st;
	void *mem = NULL;

	seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	if (have < 0 || (have & seals) != seals || fstat(fd, &st) < 0 || st.st_size != (off_t)size)
		return -EPROTO;
	/* Where the system has no huge page left, touching one is SIGBUS. */
	if (sys_call2(SYS_fstatfs, fd, &fs) < 0 || fs.f_type == HUGETLBFS_MAGIC)
		return -EPROTO;
	if (!may_map(size))
		return -ENOMEM;
	mem = mmap(NULL, size, prot, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (mem == MAP_FAILED)
		return -ENOMEM;
	*map = mem;
	return 0;
}

void kernel_unmap(void *map, size_t size)
{
	munmap(map, size);
}
