/* 1 MiB blocks into a buffer of another process: by riowrite into it, or by rsend and rrecv. The rsocket calls come from the library that is
 * preloaded. Says how fast, and how much time of a CPU both ends took for a gigabyte. */
#include "net.h"

#include <dlfcn.h>
#include <rdma/rsocket.h>
#include <sys/resource.h>

#define BLOCK (1u << 20)
#define BUFFER (2u << 20)

/* The preloaded library's function of that name. */
#define CALL(name) ((__typeof__(&name))find(#name))

static void *find(const char *name)
{
	void *function = dlsym(RTLD_DEFAULT, name);

	if (!function)
		errx(1, "no %s: preload librsocket.so", name);
	return function;
}

static double cpu_seconds(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static int rsocket_new(void)
{
	int fd = CALL(rsocket)(AF_INET, SOCK_STREAM, 0), one = 1;

	if (fd < 0 || CALL(rsetsockopt)(fd, SOL_RDMA, RDMA_IOMAPSIZE, &one, sizeof(one)) ||
	    CALL(rsetsockopt)(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
		err(1, "rsocket");
	return fd;
}

static void *buffer_new(void)
{
	char *buffer = aligned_alloc(BUFFER, BUFFER);

	if (!buffer)
		err(1, "memory");
	memset(buffer, 1, BUFFER);
	return buffer;
}

struct verdict {
	uint64_t bytes;
	double cpu;
};

static void serve(int port)
{
	struct sockaddr_in a = loopback(port);
	int listener = rsocket_new(), fd;
	char *buffer = buffer_new();
	struct verdict verdict = {0};
	ssize_t n;
	double before;

	if (CALL(rbind)(listener, (struct sockaddr *)&a, sizeof(a)) || CALL(rlisten)(listener, 1))
		err(1, "rlisten");
	fd = CALL(raccept)(listener, NULL, NULL);
	if (fd < 0 || CALL(riomap)(fd, buffer, BUFFER, PROT_WRITE, 0, 0) < 0 || CALL(rsend)(fd, "m", 1, 0) != 1)
		err(1, "riomap");
	before = cpu_seconds();
	while ((n = CALL(rrecv)(fd, buffer, BLOCK, 0)) > 0)
		verdict.bytes += (uint64_t)n;
	verdict.cpu = cpu_seconds() - before;
	if (n < 0 || CALL(rsend)(fd, &verdict, sizeof(verdict), 0) != sizeof(verdict))
		err(1, "rrecv");
	CALL(rclose)(fd);
}

static void drive(int port, bool write, long run_ms)
{
	struct sockaddr_in a = loopback(port);
	__typeof__(&riowrite) place = CALL(riowrite);
	__typeof__(&rsend) give = CALL(rsend);
	char *buffer = buffer_new(), mapped;
	struct verdict verdict;
	uint64_t bytes = 0, begin, deadline;
	double seconds, before;
	int fd = rsocket_new();

	if (CALL(rconnect)(fd, (struct sockaddr *)&a, sizeof(a)) || CALL(rrecv)(fd, &mapped, 1, 0) != 1)
		err(1, "rconnect");
	before = cpu_seconds();
	begin = now_ns();
	deadline = begin + (uint64_t)run_ms * 1000000u;
	do {
		for (int i = 0; i < 64; i++)
			if (write ? place(fd, buffer, BLOCK, 0, 0) != BLOCK : give(fd, buffer, BLOCK, 0) != BLOCK)
				err(1, write ? "riowrite" : "rsend");
		bytes += 64ull * BLOCK;
	} while (now_ns() < deadline);
	if (CALL(rshutdown)(fd, SHUT_WR) || CALL(rrecv)(fd, &verdict, sizeof(verdict), MSG_WAITALL) != sizeof(verdict))
		err(1, "end of stream");
	seconds = (double)(now_ns() - begin) / 1e9;
	if (verdict.bytes != (write ? 0 : bytes))
		errx(1, "%llu bytes arrived", (unsigned long long)verdict.bytes);
	printf("gb %.3f\ncpu_s_per_gb %.4f\npassive_cpu_s_per_gb %.4f\n", (double)bytes / seconds / 1e9,
	       (cpu_seconds() - before + verdict.cpu) / ((double)bytes / 1e9), verdict.cpu / ((double)bytes / 1e9));
	CALL(rclose)(fd);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve((int)number(argv[2]));
	else if (argc == 5 && !strcmp(argv[1], "drive"))
		drive((int)number(argv[2]), !strcmp(argv[3], "write"), number(argv[4]));
	else
		errx(2, "usage: placement serve PORT | placement drive PORT write|send MILLISECONDS");
	return 0;
}
