/* Urgent data: what only the kernel carries must still work after promotion. */
#include "kit.h"

static int at_mark(int fd)
{
	int mark = -1;

	MUST(ioctl(fd, SIOCATMARK, &mark));
	return mark;
}

CASE(urgent_byte_beside_the_stream)
{
	struct pair pair = PAIR;
	char got[16];

	PUT(pair.a, "abc");
	CHECK_EQ(send(pair.a, "!", 1, MSG_OOB), 1);
	PUT(pair.a, "def");
	CHECK(kit_await(pair.b, POLLPRI) & POLLPRI);
	CHECK_EQ(recv(pair.b, got, 1, MSG_OOB), 1);
	CHECK_EQ(got[0], '!');
	CHECK_GETS(pair.b, "abcdef");
	pair_close(&pair);
}

CASE(reads_stop_at_the_mark)
{
	struct pair pair = PAIR;
	char got[16];

	PUT(pair.a, "abc");
	CHECK_EQ(send(pair.a, "!", 1, MSG_OOB), 1);
	PUT(pair.a, "def");
	kit_await(pair.b, POLLPRI);
	CHECK_EQ(at_mark(pair.b), 0);
	CHECK_EQ(recv(pair.b, got, sizeof(got), 0), 3);
	CHECK_EQ(at_mark(pair.b), 1);
	CHECK_EQ(recv(pair.b, got, 1, MSG_OOB), 1);
	CHECK_GETS(pair.b, "def");
	CHECK_EQ(at_mark(pair.b), 0);
	pair_close(&pair);
}

CASE(urgent_byte_inline)
{
	struct pair pair = PAIR;
	char got[16];

	kit_set_option(pair.b, SOL_SOCKET, SO_OOBINLINE, 1);
	CHECK_EQ(kit_get_option(pair.b, SOL_SOCKET, SO_OOBINLINE), 1);
	PUT(pair.a, "abc");
	CHECK_EQ(send(pair.a, "!", 1, MSG_OOB), 1);
	PUT(pair.a, "def");
	kit_await(pair.b, POLLPRI);
	CHECK_EQ(recv(pair.b, got, sizeof(got), 0), 3);
	CHECK_EQ(at_mark(pair.b), 1);
	CHECK_FAILS(recv(pair.b, got, 1, MSG_OOB), EINVAL);
	CHECK_GETS(pair.b, "!def");
	pair_close(&pair);
}

CASE(no_urgent_data, tiny, tcp)
{
	struct pair pair = PAIR;
	char got[4];

	CHECK_FAILS(recv(pair.b, got, 1, MSG_OOB), EINVAL);
	PUT(pair.a, "x");
	kit_await(pair.b, POLLIN);
	CHECK_FAILS(recv(pair.b, got, 1, MSG_OOB), EINVAL);
	CHECK_EQ(at_mark(pair.b), 0);
	CHECK_GETS(pair.b, "x");
	pair_close(&pair);
}

CASE(urgent_byte_read_only_once)
{
	struct pair pair = PAIR;
	char got[4];

	CHECK_EQ(send(pair.a, "xyz", 3, MSG_OOB), 3);
	kit_await(pair.b, POLLPRI);
	CHECK_EQ(recv(pair.b, got, 4, MSG_OOB | MSG_PEEK), 1);
	CHECK_EQ(recv(pair.b, got, 4, MSG_OOB), 1);
	CHECK_EQ(got[0], 'z');
	CHECK_FAILS(recv(pair.b, got, 4, MSG_OOB), EINVAL);
	CHECK_GETS(pair.b, "xy");
	pair_close(&pair);
}

static volatile sig_atomic_t urgent_signals;

static void on_urgent(int signal __attribute__((unused)))
{
	urgent_signals++;
}

CASE(owner_gets_sigurg)
{
	struct pair pair = PAIR;

	signal(SIGURG, on_urgent);
	MUST(fcntl(pair.b, F_SETOWN, getpid()));
	CHECK_EQ(send(pair.a, "!", 1, MSG_OOB), 1);
	kit_await(pair.b, POLLPRI);
	CHECK_EQ(urgent_signals, 1);
	pair_close(&pair);
}

/* After urgent data the stream goes on both ways. */
CASE(stream_goes_on_after_urgent_data)
{
	struct pair pair = PAIR;
	char got;
	uint64_t at = 0;

	for (int round = 0; round < 20; round++) {
		kit_send_pattern(pair.a, 1000, kit_seed(), at);
		CHECK_EQ(send(pair.a, "!", 1, MSG_OOB), 1);
		kit_await(pair.b, POLLPRI);
		CHECK_EQ(recv(pair.b, &got, 1, MSG_OOB), 1);
		kit_recv_pattern(pair.b, 1000, kit_seed(), at);
		at += 1000;
		PUT(pair.b, "ack");
		CHECK_GETS(pair.a, "ack");
	}
	pair_close(&pair);
}
