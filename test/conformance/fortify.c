/* The checking variants that _FORTIFY_SOURCE compiles calls into: __read_chk, __recv_chk, __poll_chk, ... behave as the plain ones. */
#include "kit.h"

#include <sys/select.h>

/* Lengths that the compiler can not see, buffers whose size it can: so it emits the checking calls. */
static volatile size_t some = 4;
static volatile nfds_t two = 2;

CASE(checked_read_and_recv, tiny, tcp)
{
	struct pair pair = PAIR;
	char got[8];

	PUT(pair.a, "abcdefghijkl");
	while (MUST(recv(pair.b, (char[16]){0}, 12, MSG_PEEK)) < 12)
		kit_sleep_ms(1);
	CHECK_EQ(read(pair.b, got, some), 4);
	CHECK_EQ(memcmp(got, "abcd", 4), 0);
	CHECK_EQ(recv(pair.b, got, some, 0), 4);
	CHECK_EQ(memcmp(got, "efgh", 4), 0);
	CHECK_EQ(recv(pair.b, got, some, MSG_PEEK), 4);
	CHECK_EQ(recvfrom(pair.b, got, some, 0, NULL, NULL), 4);
	CHECK_EQ(memcmp(got, "ijkl", 4), 0);
	CHECK_FAILS(recv(pair.b, got, some, MSG_DONTWAIT), EAGAIN);
	pair_close(&pair);
}

CASE(checked_poll, tiny, tcp)
{
	struct pair pair = PAIR;
	struct pollfd entries[2] = {{.fd = pair.a, .events = POLLIN}, {.fd = pair.b, .events = POLLIN}};

	CHECK_EQ(poll(entries, two, 20), 0);
	CHECK_EQ(ppoll(entries, two, &(struct timespec){0, 20000000}, NULL), 0);
	PUT(pair.a, "x");
	CHECK_EQ(poll(entries, two, 5000), 1);
	CHECK_EQ(entries[1].revents, POLLIN);
	CHECK_EQ(ppoll(entries, two, NULL, NULL), 1);
	CHECK_EQ(entries[1].revents, POLLIN);
	pair_close(&pair);
}

CASE(checked_select, tiny)
{
	struct pair pair = PAIR;
	volatile int number = pair.b;
	fd_set in;

	FD_ZERO(&in);
	FD_SET(number, &in);
	PUT(pair.a, "x");
	CHECK_EQ(select(number + 1, &in, NULL, NULL, &(struct timeval){5, 0}), 1);
	CHECK(FD_ISSET(number, &in));
	pair_close(&pair);
}

CASE(checked_dprintf, tiny, tcp)
{
	struct pair pair = PAIR;

	CHECK_EQ(dprintf(pair.a, "%s %d\n", "number", 7), 9);
	CHECK_GETS(pair.b, "number 7\n");
	pair_close(&pair);
}

static void overflow(void *argument)
{
	char got[4];
	volatile size_t much = 100;

	MUST(close(STDERR_FILENO));
	if (read(*(int *)argument, got, much) > 0)
		_exit(1);
}

CASE(checked_read_aborts_on_overflow)
{
	struct pair pair = PAIR;

	PUT(pair.a, "x");
	kit_await(pair.b, POLLIN);
	kit_wait_killed(kit_fork(overflow, &pair.b), SIGABRT);
	pair_close(&pair);
}
