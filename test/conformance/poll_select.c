/* poll, ppoll, select and pselect: mixes of descriptors, timeouts, masks and errors. */
#include "kit.h"

#include <sys/eventfd.h>
#include <sys/select.h>

CASE(poll_of_a_mix, tiny, tcp)
{
	struct pair pair = PAIR, plain = pair_new(AF_INET);
	int pipes[2], counter = (int)MUST(eventfd(0, 0));

	MUST(pipe(pipes));
	struct pollfd entries[] = {
		{.fd = pair.b, .events = POLLIN},
		{.fd = pipes[0], .events = POLLIN},
		{.fd = -1, .events = POLLIN, .revents = 77},
		{.fd = plain.b, .events = POLLIN},
		{.fd = counter, .events = POLLIN},
		{.fd = pair.a, .events = POLLIN},
	};
	CHECK_EQ(poll(entries, 6, 30), 0);
	CHECK_EQ(entries[2].revents, 0);
	PUT(pair.a, "x");
	CHECK_EQ(poll(entries, 6, 5000), 1);
	CHECK_EQ(entries[0].revents, POLLIN);
	CHECK_EQ(write(pipes[1], "p", 1), 1);
	CHECK_EQ(poll(entries, 6, 5000), 2);
	CHECK_EQ(entries[1].revents, POLLIN);
	PUT(plain.a, "x");
	kit_await(plain.b, POLLIN);
	CHECK_EQ(poll(entries, 6, 5000), 3);
	CHECK_EQ(entries[3].revents, POLLIN);
	CHECK_EQ(write(counter, &(uint64_t){1}, 8), 8);
	PUT(pair.b, "y");
	kit_await(pair.a, POLLIN);
	CHECK_EQ(poll(entries, 6, 5000), 5);
	CHECK_EQ(entries[5].revents, POLLIN);
	CHECK_EQ(entries[2].revents, 0);
	pair_close(&pair);
	pair_close(&plain);
}

CASE(poll_of_the_same_descriptor_twice, tiny)
{
	struct pair pair = PAIR;
	struct pollfd entries[] = {
		{.fd = pair.b, .events = POLLIN}, {.fd = pair.b, .events = POLLOUT}, {.fd = pair.b, .events = POLLIN}};

	CHECK_EQ(poll(entries, 3, 0), 1);
	CHECK_EQ(entries[1].revents, POLLOUT);
	PUT(pair.a, "x");
	kit_await(pair.b, POLLIN);
	CHECK_EQ(poll(entries, 3, 0), 3);
	CHECK_EQ(entries[0].revents, POLLIN);
	CHECK_EQ(entries[2].revents, POLLIN);
	pair_close(&pair);
}

CASE(poll_of_a_closed_descriptor, tiny, tcp)
{
	struct pair pair = PAIR, gone = PAIR;
	struct pollfd entries[] = {{.fd = pair.b, .events = POLLIN}, {.fd = gone.b, .events = POLLIN}};

	pair_close(&gone);
	CHECK_EQ(poll(entries, 2, 5000), 1);
	CHECK_EQ(entries[0].revents, 0);
	CHECK_EQ(entries[1].revents, POLLNVAL);
	pair_close(&pair);
}

CASE(poll_timeouts_are_honoured, tiny, tcp)
{
	struct pair pair = PAIR;
	struct pollfd entry = {.fd = pair.b, .events = POLLIN};
	int64_t start;

	for (int ms = 0; ms <= 120; ms += 40) {
		start = kit_now_ms();
		CHECK_EQ(poll(&entry, 1, ms), 0);
		CHECK_LASTED(start, ms);
		start = kit_now_ms();
		CHECK_EQ(ppoll(&entry, 1, &(struct timespec){0, ms * 1000000l}, NULL), 0);
		CHECK_LASTED(start, ms);
	}
	start = kit_now_ms();
	CHECK_EQ(poll(NULL, 0, 50), 0);
	CHECK_LASTED(start, 50);
	pair_close(&pair);
}

static void write_later(void *argument)
{
	kit_sleep_ms(80);
	kit_put(*(int *)argument, "x", 1);
}

CASE(blocked_poll_wakes_on_data, tiny, tcp)
{
	struct pair pair = PAIR;
	struct pollfd entry = {.fd = pair.b, .events = POLLIN};
	pid_t pid = kit_fork(write_later, &pair.a);

	CHECK_EQ(poll(&entry, 1, -1), 1);
	CHECK_EQ(entry.revents, POLLIN);
	CHECK_EXITS(pid, 0);
	CHECK_GETS(pair.b, "x");
	pid = kit_fork(write_later, &pair.a);
	CHECK_EQ(ppoll(&entry, 1, NULL, NULL), 1);
	CHECK_EXITS(pid, 0);
	pair_close(&pair);
}

static void close_later(void *argument)
{
	struct pair *pair = argument;

	MUST(close(pair->b));
	kit_sleep_ms(80);
	MUST(close(pair->a));
}

CASE(blocked_poll_wakes_on_the_end, tiny)
{
	struct pair pair = PAIR;
	struct pollfd entry = {.fd = pair.b, .events = POLLIN | POLLRDHUP};
	pid_t pid = kit_fork(close_later, &pair);

	MUST(close(pair.a));
	CHECK_EQ(poll(&entry, 1, -1), 1);
	CHECK_EQ(entry.revents, POLLIN | POLLRDHUP);
	CHECK_EXITS(pid, 0);
	MUST(close(pair.b));
}

struct drain {
	int fd;
	uint64_t size;
};

static void *drain_later(void *argument)
{
	struct drain *drain = argument;

	kit_sleep_ms(60);
	kit_recv_pattern(drain->fd, drain->size, kit_seed(), 0);
	return NULL;
}

CASE(blocked_poll_for_writing_wakes_on_drain, tiny, tcp)
{
	struct pair pair = PAIR;
	struct drain drain = {pair.b, kit_fill(pair.a, kit_seed(), 0)};
	struct pollfd entry = {.fd = pair.a, .events = POLLOUT};
	struct thread thread;

	CHECK_EQ(poll(&entry, 1, 20), 0);
	thread_start(&thread, drain_later, &drain);
	CHECK_EQ(poll(&entry, 1, -1), 1);
	CHECK_EQ(entry.revents, POLLOUT);
	thread_join(&thread);
	pair_close(&pair);
}

CASE(blocked_poll_of_a_mix_wakes_on_the_pipe, tiny)
{
	struct pair pair = PAIR;
	int pipes[2];
	pid_t pid;

	MUST(pipe(pipes));
	struct pollfd entries[] = {{.fd = pair.b, .events = POLLIN}, {.fd = pipes[0], .events = POLLIN}};
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		kit_sleep_ms(80);
		_exit(write(pipes[1], "p", 1) == 1 ? 0 : 1);
	}
	CHECK_EQ(poll(entries, 2, -1), 1);
	CHECK_EQ(entries[0].revents, 0);
	CHECK_EQ(entries[1].revents, POLLIN);
	CHECK_EXITS(pid, 0);
	pair_close(&pair);
}

static volatile sig_atomic_t signals_seen;

static void on_signal(int signal __attribute__((unused)))
{
	signals_seen++;
}

CASE(masks_of_ppoll_and_pselect, tiny, tcp)
{
	struct pair pair = PAIR;
	struct pollfd entry = {.fd = pair.b, .events = POLLIN};
	sigset_t block, open;
	fd_set in;

	MUST(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_signal}, NULL));
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	MUST(sigprocmask(SIG_BLOCK, &block, &open));
	MUST(raise(SIGUSR1));
	CHECK_EQ(poll(&entry, 1, 20), 0);
	CHECK_EQ(signals_seen, 0);
	CHECK_FAILS(ppoll(&entry, 1, &(struct timespec){5, 0}, &open), EINTR);
	CHECK_EQ(signals_seen, 1);
	MUST(raise(SIGUSR1));
	FD_ZERO(&in);
	FD_SET(pair.b, &in);
	CHECK_FAILS(pselect(pair.b + 1, &in, NULL, NULL, &(struct timespec){5, 0}, &open), EINTR);
	CHECK_EQ(signals_seen, 2);
	MUST(raise(SIGUSR1));
	CHECK_EQ(signals_seen, 2);
	pair_close(&pair);
}

CASE(select_of_a_mix, tiny, tcp)
{
	struct pair pair = PAIR;
	int pipes[2], top;
	fd_set in, out, except;

	MUST(pipe(pipes));
	top = pipes[1] + 1;
	FD_ZERO(&in);
	FD_SET(pair.a, &in);
	FD_SET(pair.b, &in);
	FD_SET(pipes[0], &in);
	CHECK_EQ(select(top, &in, NULL, NULL, &(struct timeval){0, 30000}), 0);
	CHECK(!FD_ISSET(pair.a, &in) && !FD_ISSET(pair.b, &in) && !FD_ISSET(pipes[0], &in));
	PUT(pair.a, "x");
	CHECK_EQ(write(pipes[1], "p", 1), 1);
	kit_await(pair.b, POLLIN);
	FD_ZERO(&in);
	FD_SET(pair.a, &in);
	FD_SET(pair.b, &in);
	FD_SET(pipes[0], &in);
	FD_ZERO(&out);
	FD_SET(pair.b, &out);
	FD_SET(pipes[1], &out);
	except = out;
	CHECK_EQ(select(top, &in, &out, &except, &(struct timeval){5, 0}), 4);
	CHECK(!FD_ISSET(pair.a, &in) && FD_ISSET(pair.b, &in) && FD_ISSET(pipes[0], &in));
	CHECK(FD_ISSET(pair.b, &out) && FD_ISSET(pipes[1], &out));
	CHECK(!FD_ISSET(pair.b, &except) && !FD_ISSET(pipes[1], &except));
	pair_close(&pair);
}

CASE(select_timeouts_are_honoured, tiny, tcp)
{
	struct pair pair = PAIR;
	struct timeval timeout = {0, 80000};
	struct timespec precise = {0, 80000000};
	int64_t start = kit_now_ms();
	fd_set in;

	FD_ZERO(&in);
	FD_SET(pair.b, &in);
	CHECK_EQ(select(pair.b + 1, &in, NULL, NULL, &timeout), 0);
	CHECK_LASTED(start, 80);
	CHECK_EQ(timeout.tv_sec, 0);
	CHECK_EQ(timeout.tv_usec, 0);
	FD_SET(pair.b, &in);
	start = kit_now_ms();
	CHECK_EQ(pselect(pair.b + 1, &in, NULL, NULL, &precise, NULL), 0);
	CHECK_LASTED(start, 80);
	CHECK_EQ(precise.tv_nsec, 80000000);
	start = kit_now_ms();
	CHECK_EQ(select(0, NULL, NULL, NULL, &(struct timeval){0, 30000}), 0);
	CHECK_LASTED(start, 30);
	pair_close(&pair);
}

/* Linux tells how much of the time was left. */
CASE(select_leaves_the_rest_of_the_time, tiny)
{
	struct pair pair = PAIR;
	struct timeval timeout = {10, 0};
	pid_t pid = kit_fork(write_later, &pair.a);
	fd_set in;

	FD_ZERO(&in);
	FD_SET(pair.b, &in);
	CHECK_EQ(select(pair.b + 1, &in, NULL, NULL, &timeout), 1);
	CHECK(timeout.tv_sec == 9 && timeout.tv_usec < 990000);
	CHECK_EXITS(pid, 0);
	pair_close(&pair);
}

CASE(select_errors, tiny, tcp)
{
	struct pair pair = PAIR, gone = PAIR;
	fd_set in;
	volatile int negative = -1;

	pair_close(&gone);
	FD_ZERO(&in);
	FD_SET(pair.b, &in);
	FD_SET(gone.b, &in);
	CHECK_FAILS(select((gone.b > pair.b ? gone.b : pair.b) + 1, &in, NULL, NULL, &(struct timeval){0, 0}), EBADF);
	CHECK(FD_ISSET(pair.b, &in));
	FD_CLR(gone.b, &in);
	CHECK_FAILS(select(negative, &in, NULL, NULL, &(struct timeval){0, 0}), EINVAL);
	CHECK_FAILS(select(pair.b + 1, &in, NULL, NULL, &(struct timeval){-1, 0}), EINVAL);
	CHECK_FAILS(pselect(pair.b + 1, &in, NULL, NULL, &(struct timespec){0, 2000000000}, NULL), EINVAL);
	CHECK_FAILS(ppoll(&(struct pollfd){.fd = pair.b}, 1, &(struct timespec){0, -1}, NULL), EINVAL);
	pair_close(&pair);
}

CASE(blocked_select_wakes_on_data, tiny, tcp)
{
	struct pair pair = PAIR;
	fd_set in;
	pid_t pid = kit_fork(write_later, &pair.a);

	FD_ZERO(&in);
	FD_SET(pair.b, &in);
	CHECK_EQ(select(pair.b + 1, &in, NULL, NULL, NULL), 1);
	CHECK_EXITS(pid, 0);
	CHECK_GETS(pair.b, "x");
	pid = kit_fork(write_later, &pair.a);
	FD_ZERO(&in);
	FD_SET(pair.b, &in);
	CHECK_EQ(pselect(pair.b + 1, &in, NULL, NULL, NULL, NULL), 1);
	CHECK_EXITS(pid, 0);
	pair_close(&pair);
}

PEER(echo_one_by_one)
{
	char byte;

	while (recv(fd, &byte, 1, 0) == 1)
		kit_put(fd, &byte, 1);
}

/* Each wait could be the one that misses its wake-up. */
static void many_waits(int how)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &echo_one_by_one};
	int fd = peer_start(&peer);

	for (int i = 0; i < 3000; i++) {
		struct pollfd entry = {.fd = fd, .events = POLLIN};
		fd_set in;
		FD_ZERO(&in);
		FD_SET(fd, &in);
		PUT(fd, "x");
		if (how == 0)
			CHECK_EQ(poll(&entry, 1, 5000), 1);
		else
			CHECK_EQ(select(fd + 1, &in, NULL, NULL, &(struct timeval){5, 0}), 1);
		CHECK_GETS(fd, "x");
	}
	MUST(shutdown(fd, SHUT_WR));
	peer_join(&peer);
	MUST(close(fd));
}

CASE(thousands_of_polls, tiny)
{
	many_waits(0);
}

CASE(thousands_of_selects, tiny)
{
	many_waits(1);
}

CASE(poll_of_many_connections, tiny)
{
	enum { COUNT = 100 };
	static struct pair pairs[COUNT];
	struct pollfd entries[COUNT];
	uint64_t random = kit_seed();

	for (int i = 0; i < COUNT; i++) {
		pairs[i] = PAIR;
		entries[i] = (struct pollfd){.fd = pairs[i].b, .events = POLLIN};
	}
	for (int round = 0; round < 100; round++) {
		size_t which = kit_random_below(&random, COUNT);
		CHECK_EQ(poll(entries, COUNT, 0), 0);
		PUT(pairs[which].a, "x");
		CHECK_EQ(poll(entries, COUNT, 5000), 1);
		CHECK_EQ(entries[which].revents, POLLIN);
		CHECK_GETS(pairs[which].b, "x");
	}
	for (int i = 0; i < COUNT; i++)
		pair_close(&pairs[i]);
}
