/* Waiting for rsockets, and what interrupts it. */
#include "kit.h"

#include <arpa/inet.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define LINE "the quick brown fox"

static int file_new(void)
{
	char path[] = "/tmp/rsocket-calls-XXXXXX";
	int fd = (int)MUST(mkstemp(path));

	MUST(unlink(path));
	return fd;
}

/* As rstream does it. */
CASE(nonblocking_connect)
{
	struct sockaddr_storage address;
	int listener = kit_listen(AF_INET6, &address), fd = (int)MUST(rsocket(AF_INET6, SOCK_STREAM, 0)), b;

	MUST(rfcntl(fd, F_SETFL, O_NONBLOCK));
	if (rconnect(fd, (struct sockaddr *)&address, kit_address_length(&address)) < 0) {
		struct pollfd entry = {.fd = fd, .events = POLLOUT};

		CHECK_EQ(errno, EINPROGRESS);
		CHECK_EQ(rpoll(&entry, 1, 5000), 1);
		CHECK_EQ(entry.revents, POLLOUT);
	}
	CHECK_EQ(kit_get_option(fd, SOL_SOCKET, SO_ERROR), 0);
	b = (int)MUST(raccept(listener, NULL, NULL));
	kit_promote(fd, b);
	MUST(rclose(listener));
	MUST(rclose(fd));
	MUST(rclose(b));
	fd = (int)MUST(rsocket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0));
	if (rconnect(fd, (struct sockaddr *)&address, kit_address_length(&address)) < 0 && errno == EINPROGRESS) {
		kit_await(fd, POLLOUT);
		CHECK_EQ(kit_get_option(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	} else {
		CHECK_EQ(errno, ECONNREFUSED);
	}
	MUST(rclose(fd));
}

/* --- signals --- */

static volatile sig_atomic_t alarms;

static void on_alarm(int signal)
{
	(void)signal;
	alarms++;
}

static void alarm_until_read(int flags, int fd, ssize_t want, int error)
{
	struct itimerval every = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = flags};
	char byte;
	ssize_t n;

	alarms = 0;
	MUST(sigaction(SIGALRM, &action, NULL));
	MUST(setitimer(ITIMER_REAL, &every, NULL));
	n = rrecv(fd, &byte, 1, 0);
	CHECK_EQ(n, want);
	if (n < 0)
		CHECK_EQ(errno, error);
	MUST(setitimer(ITIMER_REAL, &never, NULL));
	CHECK(alarms > 0);
}

CASE(handlers_interrupt)
{
	struct pair pair = PAIR;

	alarm_until_read(0, pair.b, -1, EINTR);
	pair_close(&pair);
}

static void *put_after_alarms(void *argument)
{
	while (alarms < 3)
		kit_sleep_ms(5);
	PUT(*(int *)argument, "x");
	return NULL;
}

CASE(handlers_restart)
{
	struct pair pair = PAIR;
	struct thread writer;
	sigset_t set;

	/* The reader's alone. */
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	thread_start(&writer, put_after_alarms, &pair.a);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	alarm_until_read(SA_RESTART, pair.b, 1, 0);
	thread_join(&writer);
	pair_close(&pair);
}

/* --- mixtures --- */

CASE(poll_of_everything)
{
	struct pair pair = PAIR;
	int file = file_new(), pipes[2], datagram = (int)MUST(rsocket(AF_INET, SOCK_DGRAM, 0));
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(here);
	struct pollfd fds[5];
	fd_set in;

	MUST(pipe(pipes));
	MUST(rbind(datagram, (struct sockaddr *)&here, sizeof(here)));
	MUST(rgetsockname(datagram, (struct sockaddr *)&here, &size));
	for (int i = 0; i < 5; i++)
		fds[i].events = POLLIN;
	fds[0].fd = pair.a;
	fds[1].fd = pipes[0];
	fds[2].fd = datagram;
	fds[3].fd = pair.b;
	fds[4].fd = -1;
	CHECK_EQ(rpoll(fds, 5, 0), 0);
	CHECK_EQ(rpoll(fds, 5, 10), 0);
	PUT(pair.a, LINE);
	CHECK_EQ(rpoll(fds, 5, 5000), 1);
	CHECK_EQ(fds[3].revents, POLLIN);
	CHECK_EQ((write)(pipes[1], "x", 1), 1);
	MUST(rsendto(datagram, LINE, sizeof(LINE), 0, (struct sockaddr *)&here, size));
	kit_await(datagram, POLLIN);
	fds[4].fd = file;
	CHECK_EQ(rppoll(fds, 5, &(struct timespec){5, 0}, NULL), 4);
	CHECK(!fds[0].revents && fds[1].revents == POLLIN && fds[2].revents == POLLIN && fds[3].revents == POLLIN &&
	      fds[4].revents == POLLIN);
	FD_ZERO(&in);
	for (int i = 0; i < 5; i++)
		FD_SET(fds[i].fd, &in);
	CHECK_EQ(rselect(FD_SETSIZE, &in, NULL, NULL, &(struct timeval){5, 0}), 4);
	CHECK(!FD_ISSET(pair.a, &in) && FD_ISSET(file, &in) && FD_ISSET(pair.b, &in));
	CHECK_FAILS(rpoll(fds, (nfds_t)1 << 24, 0), EINVAL);
	CHECK_FAILS(rselect(-1, NULL, NULL, NULL, NULL), EINVAL);
	CHECK_EQ(rselect(0, NULL, NULL, NULL, &(struct timeval){0, 1000}), 0);
}

CASE(repoll_of_everything)
{
	struct pair pair = PAIR;
	int pipes[2], set = (int)MUST(repoll_create(EPOLL_CLOEXEC));
	struct epoll_event events[4], in = {.events = EPOLLIN};

	CHECK_FAILS(repoll_create(-1), EINVAL);
	MUST(pipe(pipes));
	in.data.fd = pair.b;
	MUST(repoll_ctl(set, EPOLL_CTL_ADD, pair.b, &in));
	in.data.fd = pipes[0];
	MUST(repoll_ctl(set, EPOLL_CTL_ADD, pipes[0], &in));
	CHECK_FAILS(repoll_ctl(set, EPOLL_CTL_ADD, pair.b, &in), EEXIST);
	CHECK_FAILS(repoll_ctl(set, EPOLL_CTL_MOD, pair.a, &in), ENOENT);
	CHECK_EQ(repoll_wait(set, events, 4, 10), 0);
	PUT(pair.a, LINE);
	CHECK_EQ(repoll_wait(set, events, 4, 5000), 1);
	CHECK_EQ(events[0].data.fd, pair.b);
	CHECK_EQ(events[0].events, EPOLLIN);
	CHECK_EQ((write)(pipes[1], "x", 1), 1);
	CHECK_EQ(repoll_wait(set, events, 4, 5000), 2);
	CHECK_GETS(pair.b, LINE);
	CHECK_EQ(repoll_wait(set, events, 4, 5000), 1);
	CHECK_EQ(events[0].data.fd, pipes[0]);
	/* A set is pollable, and closed by rclose. */
	CHECK_EQ(rpoll(&(struct pollfd){.fd = set, .events = POLLIN}, 1, 5000), 1);
	MUST(repoll_ctl(set, EPOLL_CTL_DEL, pipes[0], NULL));
	in.events = EPOLLIN | EPOLLET;
	MUST(repoll_ctl(set, EPOLL_CTL_MOD, pair.b, &in));
	PUT(pair.a, LINE);
	CHECK_EQ(repoll_wait(set, events, 4, 5000), 1);
	CHECK_EQ(repoll_wait(set, events, 4, 10), 0);
	MUST(rclose(set));
	CHECK_FAILS(repoll_wait(set, events, 4, 0), EBADF);
}

/* --- sets of another size --- */

/* The kernel touches no more of a set than COUNT says, also while a peer is looked for. */
CASE(select_of_short_sets)
{
	struct sockaddr_storage address;
	const long page = sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long *set = (unsigned long *)(void *)(memory + page - sizeof(long));
	int listener, fd = (int)MUST(rsocket(AF_INET, SOCK_STREAM, 0)), b;
	struct timeval soon = {.tv_usec = 20000};

	CHECK(memory != MAP_FAILED);
	MUST(mprotect(memory + page, (size_t)page, PROT_NONE));
	kit_set_option(fd, SOL_RDMA, RDMA_IOMAPSIZE, 1);
	listener = kit_listen(AF_INET, &address);
	MUST(rconnect(fd, (struct sockaddr *)&address, kit_address_length(&address)));
	b = (int)MUST(raccept(listener, NULL, NULL));
	CHECK(fd < 64 && b < 64);
	*set = 1ul << fd;
	CHECK_EQ(rselect(64, (fd_set *)(void *)set, NULL, NULL, &soon), 0);
	CHECK_EQ(*set, 0);
	MUST(rclose(listener));
	MUST(rclose(fd));
	MUST(rclose(b));
	MUST(munmap(memory, (size_t)page * 2));
}

#define WAITS 10000

static int64_t waits_ms(int set)
{
	struct epoll_event event;
	int64_t start = kit_now_ms();

	for (int i = 0; i < WAITS; i++)
		CHECK_EQ(repoll_wait(set, &event, 1, 1000), 1);
	return kit_now_ms() - start;
}

/* A wait walks all descriptors for peers that have maps, but not for ever. */
CASE(sets_look_no_more_once_met, serial)
{
	struct sockaddr_storage address;
	int listener = kit_listen(AF_INET, &address), fd = (int)MUST(rsocket(AF_INET, SOCK_STREAM, 0)), b, ready, set;
	struct rlimit limit;
	int64_t before, after;

	MUST(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max;
	MUST(setrlimit(RLIMIT_NOFILE, &limit));
	if (limit.rlim_cur < 16384)
		kit_skip("few descriptors");
	ready = (int)MUST(rsocket(AF_INET, SOCK_STREAM, 0));
	set = (int)MUST(repoll_create(0));
	MUST(repoll_ctl(set, EPOLL_CTL_ADD, ready, &(struct epoll_event){.events = EPOLLHUP}));
	/* All below may be rsockets. */
	MUST(rfcntl(ready, F_DUPFD, (int)limit.rlim_cur / 4 * 3));
	before = waits_ms(set);
	kit_set_option(fd, SOL_RDMA, RDMA_IOMAPSIZE, 1);
	MUST(rconnect(fd, (struct sockaddr *)&address, kit_address_length(&address)));
	b = (int)MUST(raccept(listener, NULL, NULL));
	kit_promote(fd, b);
	for (int i = 0; i < 10; i++)
		MUST(rpoll((struct pollfd[]){{.fd = fd}, {.fd = b}}, 2, 1));
	after = waits_ms(set);
	kit_note("%lld ms without, %lld ms with", (long long)before, (long long)after);
	CHECK(after <= 3 * before + 20);
	MUST(rclose(listener));
	MUST(rclose(fd));
	MUST(rclose(b));
	MUST(rclose(set));
}

/* A send after riomap was put off; who polls for the edge, without waiting, is told when it may be tried again. */
CASE(put_off_and_polled_for)
{
	struct sockaddr_storage address;
	int listener = kit_listen(AF_INET, &address), fd = (int)MUST(rsocket(AF_INET, SOCK_STREAM, 0)), set;
	struct epoll_event event = {.events = EPOLLOUT | EPOLLET};
	static char bytes[4096];

	kit_set_option(fd, SOL_RDMA, RDMA_IOMAPSIZE, 1);
	MUST(rconnect(fd, (struct sockaddr *)&address, kit_address_length(&address)));
	kit_set_nonblocking(fd, true);
	MUST(riomap(fd, bytes, sizeof(bytes), PROT_WRITE, 0, 0));
	set = (int)MUST(repoll_create(0));
	MUST(repoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	CHECK_EQ(repoll_wait(set, &event, 1, 0), 1);
	CHECK_FAILS(rsend(fd, "x", 1, 0), EAGAIN);
	for (int64_t start = kit_now_ms(); repoll_wait(set, &event, 1, 0) == 0; kit_sleep_ms(1))
		CHECK(kit_now_ms() - start < 5000);
	CHECK_EQ(rsend(fd, "x", 1, 0), 1);
	MUST(rclose(listener));
	MUST(rclose(fd));
	MUST(rclose(set));
}
