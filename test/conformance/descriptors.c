/* Descriptors: ioctl, fcntl, ranges of them closed, numbers running out. */
#include "kit.h"

#include <dirent.h>
#include <linux/close_range.h>
#include <sys/resource.h>

static int unread(int fd)
{
	int count = -1;

	MUST(ioctl(fd, FIONREAD, &count));
	return count;
}

CASE(fionread_counts, tiny, tcp)
{
	struct pair pair = PAIR;

	CHECK_EQ(unread(pair.b), 0);
	PUT(pair.a, "12345");
	kit_await(pair.b, POLLIN);
	CHECK_EQ(unread(pair.b), 5);
	CHECK_GETS(pair.b, "12");
	CHECK_EQ(unread(pair.b), 3);
	CHECK_EQ(recv(pair.b, &(char){0}, 1, MSG_PEEK), 1);
	CHECK_EQ(unread(pair.b), 3);
	CHECK_GETS(pair.b, "345");
	CHECK_EQ(unread(pair.b), 0);
	PUT(pair.a, "67");
	MUST(shutdown(pair.a, SHUT_WR));
	kit_await(pair.b, POLLRDHUP);
	CHECK_EQ(unread(pair.b), 2);
	CHECK_GETS(pair.b, "67");
	CHECK_EOF(pair.b);
	CHECK_EQ(unread(pair.b), 0);
	CHECK_EQ(unread(pair.a), 0);
	pair_close(&pair);
}

CASE(siocoutq_is_nothing_once_all_is_read, tiny, tcp)
{
	struct pair pair = PAIR;
	int unsent = -1;
	int64_t start = kit_now_ms();

	PUT(pair.a, "12345");
	CHECK_GETS(pair.b, "12345");
	do {
		CHECK(kit_now_ms() - start < 5000);
		MUST(ioctl(pair.a, TIOCOUTQ, &unsent));
		CHECK(unsent >= 0 && unsent <= 5);
	} while (unsent);
	pair_close(&pair);
}

CASE(fionbio_and_nonblock_are_one_flag, tiny, tcp)
{
	struct pair pair = PAIR;
	char byte;

	MUST(ioctl(pair.b, FIONBIO, &(int){1}));
	CHECK(MUST(fcntl(pair.b, F_GETFL)) & O_NONBLOCK);
	CHECK_FAILS(recv(pair.b, &byte, 1, 0), EAGAIN);
	CHECK_FAILS(read(pair.b, &byte, 1), EAGAIN);
	MUST(ioctl(pair.b, FIONBIO, &(int){0}));
	CHECK(!(MUST(fcntl(pair.b, F_GETFL)) & O_NONBLOCK));
	kit_set_nonblocking(pair.b, true);
	CHECK_FAILS(recv(pair.b, &byte, 1, 0), EAGAIN);
	kit_set_nonblocking(pair.b, false);
	kit_set_timeout(pair.b, SO_RCVTIMEO, 30);
	int64_t start = kit_now_ms();
	CHECK_FAILS(recv(pair.b, &byte, 1, 0), EAGAIN);
	CHECK_LASTED(start, 30);
	CHECK_EQ(MUST(fcntl(pair.b, F_GETFL)) & O_ACCMODE, O_RDWR);
	pair_close(&pair);
}

CASE(nonblock_is_shared_with_duplicates, tiny, tcp)
{
	struct pair pair = PAIR;
	int copy = (int)MUST(dup(pair.b));
	char byte;

	kit_set_nonblocking(copy, true);
	CHECK_FAILS(recv(pair.b, &byte, 1, 0), EAGAIN);
	CHECK(MUST(fcntl(pair.b, F_GETFL)) & O_NONBLOCK);
	kit_set_nonblocking(pair.b, false);
	CHECK(!(MUST(fcntl(copy, F_GETFL)) & O_NONBLOCK));
	MUST(close(copy));
	pair_close(&pair);
}

static void set_nonblocking(void *argument)
{
	kit_set_nonblocking(*(int *)argument, true);
}

CASE(nonblock_set_by_a_child, tiny)
{
	struct pair pair = PAIR;
	char byte;

	CHECK_EXITS(kit_fork(set_nonblocking, &pair.b), 0);
	CHECK_FAILS(recv(pair.b, &byte, 1, 0), EAGAIN);
	pair_close(&pair);
}

CASE(close_on_exec_is_per_descriptor, tiny)
{
	struct pair pair = PAIR;
	int copy = (int)MUST(fcntl(pair.b, F_DUPFD_CLOEXEC, 0));

	CHECK_EQ(MUST(fcntl(copy, F_GETFD)), FD_CLOEXEC);
	CHECK_EQ(MUST(fcntl(pair.b, F_GETFD)), 0);
	MUST(ioctl(pair.b, FIOCLEX));
	CHECK_EQ(MUST(fcntl(pair.b, F_GETFD)), FD_CLOEXEC);
	MUST(ioctl(pair.b, FIONCLEX));
	CHECK_EQ(MUST(fcntl(pair.b, F_GETFD)), 0);
	MUST(close(copy));
	pair_close(&pair);
}

CASE(it_is_a_socket, tiny, tcp)
{
	struct pair pair = PAIR;
	struct stat status, again;
	char path[64], target[64] = "";
	int copy = (int)MUST(dup(pair.b));

	MUST(fstat(pair.b, &status));
	CHECK(S_ISSOCK(status.st_mode));
	MUST(fstat(copy, &again));
	CHECK_EQ(status.st_ino, again.st_ino);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", pair.b);
	MUST(readlink(path, target, sizeof(target) - 1));
	CHECK_EQ(strncmp(target, "socket:[", 8), 0);
	CHECK_FAILS(lseek(pair.b, 0, SEEK_CUR), ESPIPE);
	CHECK_FAILS(isatty(pair.b) ? 0 : -1, ENOTTY);
	MUST(close(copy));
	pair_close(&pair);
}

CASE(close_range_ends_connections, tiny, tcp)
{
	struct pair low = PAIR, high = PAIR;
	int first = (int)MUST(fcntl(high.b, F_DUPFD, 500));

	MUST(close(high.b));
	MUST(close_range(500, ~0u, 0));
	CHECK_EOF(high.a);
	CHECK_FAILS(fcntl(first, F_GETFD), EBADF);
	PUT(low.a, "untouched");
	CHECK_GETS(low.b, "untouched");
	PUT(low.b, "back");
	CHECK_GETS(low.a, "back");
	MUST(close(high.a));
	pair_close(&low);
}

/* Everything from 3 on except one connection's ends: it goes on, new ones can be made. */
CASE(close_range_around_a_connection, tiny)
{
	struct pair kept = PAIR, gone = PAIR;
	unsigned low = (unsigned)(kept.a < kept.b ? kept.a : kept.b),
		 high = (unsigned)(kept.a < kept.b ? kept.b : kept.a);

	if (low > 3)
		MUST(close_range(3, low - 1, 0));
	if (high > low + 1)
		MUST(close_range(low + 1, high - 1, 0));
	MUST(close_range(high + 1, ~0u, 0));
	CHECK_FAILS(fcntl(gone.a, F_GETFD), EBADF);
	for (int i = 0; i < 100; i++) {
		PUT(kept.a, "there");
		CHECK_GETS(kept.b, "there");
		PUT(kept.b, "back");
		CHECK_GETS(kept.a, "back");
	}
	struct pair fresh = PAIR;
	PUT(fresh.a, "new");
	CHECK_GETS(fresh.b, "new");
	pair_close(&fresh);
	pair_close(&kept);
}

CASE(closefrom_ends_connections, tiny)
{
	struct pair pair = PAIR;

	MUST(dup2(pair.b, 600));
	MUST(close(pair.b));
	closefrom(550);
	CHECK_EOF(pair.a);
	struct pair fresh = PAIR;
	PUT(fresh.a, "new");
	CHECK_GETS(fresh.b, "new");
	pair_close(&fresh);
	MUST(close(pair.a));
}

CASE(close_range_that_only_marks, tiny)
{
	struct pair pair = PAIR;

	MUST(close_range(3, ~0u, CLOSE_RANGE_CLOEXEC));
	CHECK_EQ(MUST(fcntl(pair.b, F_GETFD)), FD_CLOEXEC);
	PUT(pair.a, "alive");
	CHECK_GETS(pair.b, "alive");
	PUT(pair.b, "alive");
	CHECK_GETS(pair.a, "alive");
	pair_close(&pair);
}

/* The usual way of a daemon that knows no close_range. */
CASE(closing_every_number_by_hand, tiny)
{
	struct pair kept = PAIR, gone = PAIR;

	for (int fd = 3; fd < 4096; fd++)
		if (fd != kept.a && fd != kept.b)
			close(fd);
	CHECK_FAILS(fcntl(gone.a, F_GETFD), EBADF);
	for (int i = 0; i < 100; i++) {
		PUT(kept.a, "there");
		CHECK_GETS(kept.b, "there");
	}
	struct pair fresh = PAIR;
	PUT(fresh.a, "new");
	CHECK_GETS(fresh.b, "new");
	pair_close(&fresh);
	pair_close(&kept);
}

/* POSIX: a new descriptor is the lowest free number, also beside promoted connections. */
CASE(new_descriptors_get_the_lowest_number, tiny, tcp)
{
	int lowest = (int)MUST(open("/dev/null", O_RDONLY)), first, second;
	struct pair pair;

	MUST(close(lowest));
	pair = PAIR;
	first = (int)MUST(open("/dev/null", O_RDONLY));
	CHECK_EQ(first, lowest);
	CHECK(pair.a <= lowest + 2 && pair.b <= lowest + 2);
	MUST(close(pair.a));
	second = (int)MUST(open("/dev/null", O_RDONLY));
	CHECK_EQ(second, pair.a);
	MUST(close(pair.b));
	CHECK_EQ(MUST(open("/dev/null", O_RDONLY)), pair.b);
}

static int open_count(void)
{
	DIR *stream = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(stream))
		count++;
	closedir(stream);
	return count;
}

CASE(thousands_of_connections_leak_nothing, tiny)
{
	int before = 0;

	for (int i = 0; i < 1500; i++) {
		struct pair pair = i % 4 ? pair_new(AF_INET) : PAIR;
		PUT(pair.a, "x");
		CHECK_GETS(pair.b, "x");
		pair_close(&pair);
		if (i == 100)
			before = open_count();
	}
	CHECK(open_count() <= before + 2);
}

/* No number is left for anything but the application's own sockets. */
CASE(working_at_the_descriptor_limit, tcp)
{
	struct pair pair = pair_new(AF_INET);
	struct rlimit limit;
	int last = 0, fd;

	MUST(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = 64;
	MUST(setrlimit(RLIMIT_NOFILE, &limit));
	while ((fd = open("/dev/null", O_RDONLY)) != -1)
		last = fd;
	CHECK_EQ(errno, EMFILE);
	for (uint64_t at = 0; at < 100000; at += 1000) {
		kit_send_pattern(pair.a, 1000, kit_seed(), at);
		kit_recv_pattern(pair.b, 1000, kit_seed(), at);
		kit_send_pattern(pair.b, 1000, ~kit_seed(), at);
		kit_recv_pattern(pair.a, 1000, ~kit_seed(), at);
	}
	CHECK_FAILS(socket(AF_INET, SOCK_STREAM, 0), EMFILE);
	CHECK_FAILS(dup(pair.a), EMFILE);
	MUST(close(last));
	fd = (int)MUST(dup(pair.a));
	PUT(fd, "copy");
	CHECK_GETS(pair.b, "copy");
	MUST(close(fd));
	pair_close(&pair);
}

CASE(accepting_at_the_descriptor_limit)
{
	struct sockaddr_storage address;
	int listener = kit_listen(AF_INET, &address), client = kit_connect(&address), fds[64], count = 0, server;
	struct rlimit limit;

	MUST(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = 48;
	MUST(setrlimit(RLIMIT_NOFILE, &limit));
	while ((fds[count] = open("/dev/null", O_RDONLY)) != -1)
		count++;
	CHECK_FAILS(accept(listener, NULL, NULL), EMFILE);
	CHECK(count > 12);
	/* Closed one at a time: the first number that comes free is the connection's. */
	MUST(close(fds[--count]));
	server = (int)MUST(accept(listener, NULL, NULL));
	for (int i = 0; i < 200; i++) {
		PUT(client, "ping");
		CHECK_GETS(server, "ping");
		PUT(server, "pong");
		CHECK_GETS(client, "pong");
	}
	MUST(close(client));
	CHECK_EOF(server);
	MUST(close(server));
}

CASE(limit_lowered_after_promotion, tiny)
{
	struct pair pair = PAIR;
	struct rlimit limit;

	MUST(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = 32;
	MUST(setrlimit(RLIMIT_NOFILE, &limit));
	for (uint64_t at = 0; at < 30000; at += 200) {
		kit_send_pattern(pair.a, 200, kit_seed(), at);
		kit_recv_pattern(pair.b, 200, kit_seed(), at);
	}
	pair_close(&pair);
}

/* ---- many other ends, few descriptors ---- */

#define DESCRIPTORS 64
#define OTHER_ENDS 48

static int listen_low(struct sockaddr_storage *address)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), port = 20000 + getpid() % 10000;

	do
		in.sin_port = htons((uint16_t)port++);
	while (bind(fd, (struct sockaddr *)&in, sizeof(in)) == -1);
	MUST(listen(fd, 128));
	memcpy(address, &in, sizeof(in));
	return fd;
}

static void exchange(int fd, const char *mine, bool first)
{
	char byte;

	for (int i = 0; i < 10; i++) {
		if (first)
			kit_put(fd, mine, 1);
		kit_get(fd, &byte, 1);
		if (!first)
			kit_put(fd, mine, 1);
	}
}

/* What the toolkit needs for each leaves the program nearly all that it may open. */
CASE(many_processes_and_few_descriptors)
{
	struct rlimit limit = {DESCRIPTORS, DESCRIPTORS};
	struct sockaddr_storage address;
	int listener = listen_low(&address), fds[OTHER_ENDS];
	pid_t pids[OTHER_ENDS];

	MUST(setrlimit(RLIMIT_NOFILE, &limit));
	for (int i = 0; i < OTHER_ENDS; i++) {
		pids[i] = (pid_t)MUST(fork());
		if (pids[i] == 0) {
			char byte;
			int fd;

			for (int k = 0; k < i; k++)
				close(fds[k]);
			fd = kit_connect(&address);
			exchange(fd, "x", true);
			CHECK_EQ(MUST(recv(fd, &byte, 1, 0)), 0);
			_exit(0);
		}
		fds[i] = (int)MUST(accept(listener, NULL, NULL));
		exchange(fds[i], "y", false);
	}
	for (int i = 0; i < OTHER_ENDS; i++)
		MUST(close(fds[i]));
	for (int i = 0; i < OTHER_ENDS; i++)
		CHECK_EXITS(pids[i], 0);
	MUST(close(listener));
}

/* ---- little address space ---- */

#define ADDRESS_SPACE (1024l * MIB)

CASE(address_space_is_left)
{
	struct pair pairs[20];
	void *memory;

	MUST(setrlimit(RLIMIT_AS, &(struct rlimit){ADDRESS_SPACE, ADDRESS_SPACE}));
	for (int i = 0; i < 20; i++) {
		pairs[i] = pair_new(AF_INET);
		for (int k = 0; k < 10; k++) {
			PUT(pairs[i].a, "x");
			CHECK_GETS(pairs[i].b, "x");
			PUT(pairs[i].b, "y");
			CHECK_GETS(pairs[i].a, "y");
		}
	}
	memory = malloc(300 * MIB);
	CHECK(memory != NULL);
	free(memory);
	for (int i = 0; i < 20; i++)
		pair_close(&pairs[i]);
}
