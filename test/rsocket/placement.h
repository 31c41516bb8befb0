/* Connections with maps, and the way by which their bytes are placed: IOMAP_WAY=message forbids the kernel's copy to all processes of a
 * case, as a container does, so that a peer must be asked. What carries the stream is the environment's choice (RSOCKET_SET). */
#ifndef PLACEMENT_H
#define PLACEMENT_H

#include "kit.h"

#include <dirent.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define NOTHING ((size_t)-1)

static inline bool by_message(void)
{
	const char *way = getenv("IOMAP_WAY");

	return way && strcmp(way, "message") == 0;
}

/* From now on process_vm_readv and process_vm_writev are EPERM here and in all children. */
static void forbid_copies(void)
{
	kit_forbid(SYS_process_vm_readv, SECCOMP_RET_ERRNO | EPERM);
	kit_forbid(SYS_process_vm_writev, SECCOMP_RET_ERRNO | EPERM);
}

__attribute__((constructor)) static void choose_way(void)
{
	if (by_message())
		forbid_copies();
}

static inline int listen_maps(int maps, struct sockaddr_storage *address)
{
	int fd = kit_listen(AF_INET, address);

	kit_set_option(fd, SOL_RDMA, RDMA_IOMAPSIZE, maps);
	return fd;
}

static inline int connect_maps(int maps, const struct sockaddr_storage *address)
{
	int fd = (int)MUST(rsocket(AF_INET, SOCK_STREAM, 0));

	kit_set_option(fd, SOL_RDMA, RDMA_IOMAPSIZE, maps);
	MUST(rconnect(fd, (const struct sockaddr *)address, kit_address_length(address)));
	return fd;
}

/* Each end needs calls of its own to find the other one, and both are ours. */
static inline void await_met(const struct pair *pair)
{
	int64_t start = kit_now_ms();
	struct pollfd fds[2] = {{.fd = pair->a}, {.fd = pair->b}};

	for (int met = 0; met < 2;) {
		CHECK(kit_now_ms() - start < 5000);
		MUST(rpoll(fds, 2, 0));
		met = 0;
		for (int i = 0; i < 2; i++)
			met += riowrite(fds[i].fd, "", 1, INT64_MAX - 2, MSG_DONTWAIT) == NOTHING && errno != EAGAIN;
	}
}

/* Both ends here; each takes so many maps of the other's. */
static inline struct pair pair_maps(int of_b, int of_a)
{
	struct sockaddr_storage address;
	int listener = listen_maps(of_a, &address);
	struct pair pair = {.a = connect_maps(of_b, &address)};

	pair.b = (int)MUST(raccept(listener, NULL, NULL));
	MUST(rclose(listener));
	kit_promote(pair.a, pair.b);
	await_met(&pair);
	return pair;
}

/* The other end in a child that runs RUN with it. */
struct child {
	void (*run)(int fd, void *shared);
	struct sockaddr_storage address;
	void *shared;
};

static inline void child_main(void *argument)
{
	const struct child *child = argument;
	int fd = connect_maps(4, &child->address);

	child->run(fd, child->shared);
	MUST(rclose(fd));
}

static inline pid_t child_start(void (*run)(int fd, void *shared), void *shared, int *fd)
{
	struct child child = {.run = run, .shared = shared};
	int listener = listen_maps(4, &child.address);
	pid_t pid = kit_fork(child_main, &child);

	*fd = (int)MUST(raccept(listener, NULL, NULL));
	MUST(rclose(listener));
	return pid;
}

static inline char *buffer_new(size_t size)
{
	char *buffer = malloc(size);

	CHECK(buffer);
	memset(buffer, 0, size);
	return buffer;
}

static inline void *shared_new(size_t size)
{
	void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(shared != MAP_FAILED);
	return shared;
}

/* How many threads of the library's there are; a sanitizer has some too. */
static inline int answerers(void)
{
	DIR *open = opendir("/proc/self/task");
	struct dirent *entry;
	int count = 0;

	CHECK(open);
	while ((entry = readdir(open))) {
		char path[300], name[32] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fgets(name, sizeof(name), file) && strcmp(name, "rsocket-maps\n") == 0)
			count++;
		fclose(file);
	}
	closedir(open);
	return count;
}

/* It takes a moment to have a name, and to end. */
static inline void check_answerers(int want)
{
	for (int64_t start = kit_now_ms(); answerers() != want; sched_yield())
		CHECK(kit_now_ms() - start < 5000);
}

#endif
