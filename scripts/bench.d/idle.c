/* Many idle connections beside a busy one: what they cost the busy one, in memory, and in CPU time while nothing happens. */
#include <sys/epoll.h>
#include <sys/resource.h>

#include <rdma/rsocket.h>

#include "net.h"

enum { MESSAGE = 64, EXCHANGE = 1024, ROUNDS_MAX = 400, BATCH = 256 };

static void allow_descriptors(rlim_t count)
{
	struct rlimit limit = {count, count};

	if (setrlimit(RLIMIT_NOFILE, &limit))
		err(1, "RLIMIT_NOFILE %lu", (unsigned long)count);
}

static void watch(int set, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &e))
		err(1, "epoll_ctl");
}

static void echo(int fd)
{
	char data[EXCHANGE];
	ssize_t n = recv(fd, data, sizeof(data), 0);

	if (n > 0)
		write_whole(fd, data, (size_t)n);
	else if (n == 0 || errno == ECONNRESET)
		close(fd);
	else if (errno != EAGAIN)
		err(1, "recv");
}

static void serve(int port)
{
	int listener = listen_on(port), set = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ready[BATCH];

	watch(set, listener);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(set, ready, BATCH, -1);

		if (n < 0 && errno != EINTR)
			err(1, "epoll_wait");
		for (int i = 0; i < n; i++) {
			if (ready[i].data.fd != listener) {
				echo(ready[i].data.fd);
				continue;
			}
			int fd = accept_from(listener);
			nodelay(fd);
			watch(set, fd);
		}
	}
}

/* One round of LENGTH bytes on FD, waiting in epoll as a program with many connections does. */
static void exchange(int set, int fd, size_t length)
{
	char data[EXCHANGE] = {0};

	write_whole(fd, data, length);
	for (size_t got = 0; got < length;) {
		struct epoll_event e;
		ssize_t n;

		if (epoll_wait(set, &e, 1, -1) != 1 || e.data.fd != fd)
			errx(1, "another connection woke up");
		n = recv(fd, data, length - got, 0);
		if (n <= 0)
			err(1, "recv");
		got += (size_t)n;
	}
}

static bool is_promoted(int fd)
{
	struct rdma_carrier c;
	socklen_t length = sizeof(c);

	return !getsockopt(fd, SOL_RDMA, RDMA_CARRIER, &c, &length) && c.send == RDMA_TRANSPORT_SHM &&
	       c.recv == RDMA_TRANSPORT_SHM;
}

/* Opens a connection, moves 1 KiB both ways, and goes on until it is promoted or ROUNDS is reached. */
static int open_one(int set, int port, int rounds, long *promoted)
{
	int fd = connect_to(port);

	nodelay(fd);
	watch(set, fd);
	exchange(set, fd, EXCHANGE);
	for (int i = 0; i < rounds && !is_promoted(fd); i++)
		exchange(set, fd, MESSAGE);
	exchange(set, fd, EXCHANGE);
	*promoted += is_promoted(fd);
	return fd;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void measure(const char *label, int set, int fd, size_t rounds)
{
	uint32_t *round_ns = malloc(rounds * sizeof(*round_ns));

	for (size_t i = 0; i < rounds / 4; i++)
		exchange(set, fd, MESSAGE);
	for (size_t i = 0; i < rounds; i++) {
		uint64_t begin = now_ns();

		exchange(set, fd, MESSAGE);
		round_ns[i] = (uint32_t)(now_ns() - begin);
	}
	qsort(round_ns, rounds, sizeof(*round_ns), by_value);
	printf("%s_us %.3f\n%s_p99_us %.3f\n", label, round_ns[rounds / 2] / 1e3, label,
	       round_ns[rounds * 99 / 100] / 1e3);
	free(round_ns);
}

/* KiB of the line FIELD in /proc/PID/smaps_rollup. */
static long resident_kib(pid_t pid, const char *field)
{
	char path[64], line[256];
	long kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "re");
	if (!f)
		err(1, "%s", path);
	while (kib < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, field, strlen(field)))
			kib = strtol(line + strlen(field), NULL, 10);
	fclose(f);
	return kib;
}

static double cpu_ms(pid_t pid)
{
	clockid_t clock;
	struct timespec t;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
		errx(1, "no CPU clock for process %d", (int)pid);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* CPU time of both processes while neither has anything to do. */
static void rest(int set, pid_t server, long rest_ms)
{
	double own = cpu_ms(getpid()), theirs = cpu_ms(server);
	struct epoll_event e;

	if (epoll_wait(set, &e, 1, (int)rest_ms) != 0)
		errx(1, "something woke an idle set");
	printf("idle_client_cpu_percent %.3f\n", (cpu_ms(getpid()) - own) * 100 / (double)rest_ms);
	printf("idle_server_cpu_percent %.3f\n", (cpu_ms(server) - theirs) * 100 / (double)rest_ms);
}

static void drive(int port, pid_t server, long count, size_t rounds, long rest_ms)
{
	struct {
		pid_t pid;
		const char *name;
		long rss, pss;
	} side[2] = {{getpid(), "client", 0, 0}, {server, "server", 0, 0}};
	int set = epoll_create1(EPOLL_CLOEXEC), busy;
	long promoted = 0;
	int patience;

	busy = open_one(set, port, ROUNDS_MAX, &promoted);
	patience = promoted ? ROUNDS_MAX : 0;
	printf("busy_promoted %ld\n", promoted);
	measure("alone", set, busy, rounds);
	for (int i = 0; i < 2; i++) {
		side[i].rss = resident_kib(side[i].pid, "Rss:");
		side[i].pss = resident_kib(side[i].pid, "Pss:");
	}
	promoted = 0;
	for (long i = 0; i < count; i++)
		open_one(set, port, patience, &promoted);
	printf("idle_promoted %ld\n", promoted);
	for (int i = 0; i < 2 && count; i++) {
		printf("%s_rss_kib %.2f\n", side[i].name,
		       (double)(resident_kib(side[i].pid, "Rss:") - side[i].rss) / (double)count);
		printf("%s_pss_kib %.2f\n", side[i].name,
		       (double)(resident_kib(side[i].pid, "Pss:") - side[i].pss) / (double)count);
	}
	measure("beside", set, busy, rounds);
	rest(set, server, rest_ms);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "serve")) {
		allow_descriptors((rlim_t)number(argv[3]) + 1000);
		serve((int)number(argv[2]));
	} else if (argc == 7 && !strcmp(argv[1], "drive")) {
		allow_descriptors((rlim_t)number(argv[4]) + 1000);
		drive((int)number(argv[2]), (pid_t)number(argv[3]), number(argv[4]), (size_t)number(argv[5]),
		      number(argv[6]));
	} else {
		errx(2, "usage: idle serve PORT COUNT | idle drive PORT SERVER_PID COUNT ROUNDS REST_MILLISECONDS");
	}
	return 0;
}
