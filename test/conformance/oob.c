/* Urgent data, and zero-copy sends with their completions: what only the kernel carries must still work after promotion. */
#include "kit.h"

#include <linux/errqueue.h>

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

/* Reads one completion range off the error queue. */
static struct sock_extended_err completion_get(int fd)
{
	char control[128];
	struct msghdr message = {.msg_control = control, .msg_controllen = sizeof(control)};
	int64_t start = kit_now_ms();
	ssize_t got;

	while ((got = recvmsg(fd, &message, MSG_ERRQUEUE)) == -1) {
		CHECK_EQ(errno, EAGAIN);
		CHECK(kit_now_ms() - start < 5000);
		message.msg_controllen = sizeof(control);
		kit_sleep_ms(2);
	}
	CHECK_EQ(got, 0);
	CHECK(message.msg_flags & MSG_ERRQUEUE);
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	CHECK(head != NULL);
	CHECK(head->cmsg_level == SOL_IP && head->cmsg_type == IP_RECVERR);
	return *(struct sock_extended_err *)CMSG_DATA(head);
}

CASE(zerocopy_send_is_completed)
{
	struct pair pair = PAIR;
	static char out[64 * KIB];
	uint64_t at = 0;
	unsigned done = 0;

	kit_set_option(pair.a, SOL_SOCKET, SO_ZEROCOPY, 1);
	for (int i = 0; i < 4; i++) {
		kit_pattern(out, sizeof(out), kit_seed(), at);
		ssize_t sent = MUST(send(pair.a, out, sizeof(out), MSG_ZEROCOPY));
		kit_recv_pattern(pair.b, (size_t)sent, kit_seed(), at);
		at += (uint64_t)sent;
		while (done <= (unsigned)i) {
			struct sock_extended_err completion = completion_get(pair.a);
			CHECK_EQ(completion.ee_errno, 0);
			CHECK_EQ(completion.ee_origin, SO_EE_ORIGIN_ZEROCOPY);
			CHECK_EQ(completion.ee_info, done);
			done = completion.ee_data + 1;
		}
	}
	CHECK_EQ(done, 4);
	pair_close(&pair);
}

CASE(zerocopy_completion_shows_as_pollerr)
{
	struct pair pair = PAIR;
	static char out[64 * KIB];

	kit_set_option(pair.a, SOL_SOCKET, SO_ZEROCOPY, 1);
	kit_pattern(out, sizeof(out), kit_seed(), 0);
	size_t sent = (size_t)MUST(send(pair.a, out, sizeof(out), MSG_ZEROCOPY));
	kit_recv_pattern(pair.b, sent, kit_seed(), 0);
	CHECK(kit_await(pair.a, POLLERR) & POLLERR);
	completion_get(pair.a);
	CHECK_REVENTS(pair.a, POLLOUT);
	PUT(pair.b, "still works");
	CHECK_GETS(pair.a, "still works");
	pair_close(&pair);
}

/* Without SO_ZEROCOPY the flag asks for nothing. */
CASE(zerocopy_flag_alone, tiny)
{
	struct pair pair = PAIR;

	CHECK_EQ(send(pair.a, "plain", 5, MSG_ZEROCOPY), 5);
	CHECK_GETS(pair.b, "plain");
	CHECK_REVENTS(pair.a, POLLOUT);
	pair_close(&pair);
}
