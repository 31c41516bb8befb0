/* SO_RCVTIMEO, SO_SNDTIMEO, SO_RCVLOWAT and TCP_USER_TIMEOUT. */
#include "kit.h"

CASE(receive_times_out, tiny, tcp)
{
	struct pair pair = PAIR;
	char byte;
	int64_t start;

	kit_set_timeout(pair.b, SO_RCVTIMEO, 120);
	start = kit_now_ms();
	CHECK_FAILS(recv(pair.b, &byte, 1, 0), EAGAIN);
	CHECK_LASTED(start, 120);
	start = kit_now_ms();
	CHECK_FAILS(read(pair.b, &byte, 1), EAGAIN);
	CHECK_LASTED(start, 120);
	start = kit_now_ms();
	CHECK_FAILS(recv(pair.b, &byte, 1, MSG_PEEK), EAGAIN);
	CHECK_LASTED(start, 120);
	PUT(pair.a, "x");
	CHECK_GETS(pair.b, "x");
	pair_close(&pair);
}

CASE(receive_timeout_set_before_promotion, tiny)
{
	struct pair pair = pair_new(AF_INET);
	char byte;
	int64_t start;

	kit_set_timeout(pair.b, SO_RCVTIMEO, 120);
	kit_promote(pair.a, pair.b);
	start = kit_now_ms();
	CHECK_FAILS(recv(pair.b, &byte, 1, 0), EAGAIN);
	CHECK_LASTED(start, 120);
	pair_close(&pair);
}

CASE(waitall_times_out_with_what_came, tiny, tcp)
{
	struct pair pair = PAIR;
	char got[10];
	int64_t start;

	kit_set_timeout(pair.b, SO_RCVTIMEO, 120);
	PUT(pair.a, "abc");
	start = kit_now_ms();
	CHECK_EQ(recv(pair.b, got, 10, MSG_WAITALL), 3);
	CHECK_LASTED(start, 120);
	pair_close(&pair);
}

CASE(timeout_reads_back_and_zero_is_forever, tiny)
{
	struct pair pair = PAIR;
	struct timeval got;
	socklen_t length = sizeof(got);

	kit_set_timeout(pair.b, SO_RCVTIMEO, 1500);
	MUST(getsockopt(pair.b, SOL_SOCKET, SO_RCVTIMEO, &got, &length));
	CHECK_EQ(got.tv_sec, 1);
	CHECK(got.tv_usec >= 490000 && got.tv_usec <= 510000);
	kit_set_timeout(pair.b, SO_RCVTIMEO, 0);
	MUST(getsockopt(pair.b, SOL_SOCKET, SO_RCVTIMEO, &got, &length));
	CHECK_EQ(got.tv_sec, 0);
	CHECK_EQ(got.tv_usec, 0);
	pair_close(&pair);
}

PEER(send_late)
{
	kit_sleep_ms(200);
	PUT(fd, "late");
	kit_sleep_ms(50);
}

CASE(cleared_timeout_waits, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &send_late};
	int fd = peer_start(&peer);

	kit_set_timeout(fd, SO_RCVTIMEO, 20);
	kit_set_timeout(fd, SO_RCVTIMEO, 0);
	CHECK_GETS(fd, "late");
	peer_join(&peer);
	MUST(close(fd));
}

CASE(timeout_is_no_error_state, tiny)
{
	struct pair pair = PAIR;
	char byte;

	kit_set_timeout(pair.b, SO_RCVTIMEO, 10);
	for (int i = 0; i < 5; i++)
		CHECK_FAILS(recv(pair.b, &byte, 1, 0), EAGAIN);
	CHECK_EQ(kit_get_option(pair.b, SOL_SOCKET, SO_ERROR), 0);
	CHECK_REVENTS(pair.b, POLLOUT);
	PUT(pair.b, "back");
	CHECK_GETS(pair.a, "back");
	pair_close(&pair);
}

CASE(send_times_out, tiny, tcp)
{
	struct pair pair = PAIR;
	uint64_t filled = kit_fill(pair.a, kit_seed(), 0);
	int64_t start;

	kit_set_timeout(pair.a, SO_SNDTIMEO, 120);
	start = kit_now_ms();
	CHECK_FAILS(send(pair.a, "x", 1, 0), EAGAIN);
	CHECK_LASTED(start, 120);
	kit_recv_pattern(pair.b, filled, kit_seed(), 0);
	CHECK_EQ(send(pair.a, "y", 1, 0), 1);
	CHECK_GETS(pair.b, "y");
	pair_close(&pair);
}

CASE(send_times_out_with_what_went, tiny)
{
	struct pair pair = PAIR;
	size_t size = 64 * MIB;
	char *out = malloc(size);
	int64_t start;
	ssize_t sent;

	kit_pattern(out, size, kit_seed(), 0);
	kit_set_timeout(pair.a, SO_SNDTIMEO, 200);
	start = kit_now_ms();
	sent = MUST(send(pair.a, out, size, 0));
	CHECK_LASTED(start, 200);
	CHECK(sent > 0 && (size_t)sent < size);
	MUST(shutdown(pair.a, SHUT_WR));
	CHECK_EQ(kit_drain_pattern(pair.b, kit_seed(), 0), sent);
	free(out);
	pair_close(&pair);
}

CASE(nonblocking_ignores_the_timeout, tiny)
{
	struct pair pair = PAIR;
	char byte;
	int64_t start;

	kit_set_timeout(pair.b, SO_RCVTIMEO, 3000);
	start = kit_now_ms();
	CHECK_FAILS(recv(pair.b, &byte, 1, MSG_DONTWAIT), EAGAIN);
	kit_set_nonblocking(pair.b, true);
	CHECK_FAILS(read(pair.b, &byte, 1), EAGAIN);
	CHECK(kit_now_ms() - start < 1500);
	pair_close(&pair);
}

/* With a low-water mark, a blocking read waits for so many bytes, and readiness too. */
PEER(send_five_then_five)
{
	PUT(fd, "01234");
	kit_sleep_ms(150);
	PUT(fd, "56789");
	kit_sleep_ms(100);
}

CASE(low_water_mark_delays_the_read, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &send_five_then_five};
	int fd = peer_start(&peer);
	char got[20];

	kit_set_option(fd, SOL_SOCKET, SO_RCVLOWAT, 10);
	CHECK_EQ(kit_get_option(fd, SOL_SOCKET, SO_RCVLOWAT), 10);
	CHECK_EQ(recv(fd, got, sizeof(got), 0), 10);
	CHECK_EQ(memcmp(got, "0123456789", 10), 0);
	peer_join(&peer);
	MUST(close(fd));
}

CASE(low_water_mark_delays_poll, tiny, tcp)
{
	struct pair pair = PAIR;

	kit_set_option(pair.b, SOL_SOCKET, SO_RCVLOWAT, 10);
	PUT(pair.a, "012345678");
	kit_sleep_ms(50);
	CHECK_REVENTS(pair.b, POLLOUT);
	CHECK_SILENT(pair.b);
	PUT(pair.a, "9");
	CHECK(kit_await(pair.b, POLLIN) & POLLIN);
	CHECK_GETS(pair.b, "0123456789");
	CHECK_REVENTS(pair.b, POLLOUT);
	pair_close(&pair);
}

CASE(low_water_mark_delays_epoll, tiny)
{
	struct pair pair = PAIR;
	struct epoll_event event = {.events = EPOLLIN};
	int set = (int)MUST(epoll_create1(0));

	kit_set_option(pair.b, SOL_SOCKET, SO_RCVLOWAT, 4);
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, pair.b, &event));
	PUT(pair.a, "abc");
	CHECK_EQ(epoll_wait(set, &event, 1, 50), 0);
	PUT(pair.a, "d");
	CHECK_EQ(epoll_wait(set, &event, 1, 5000), 1);
	CHECK_GETS(pair.b, "abcd");
	MUST(close(set));
	pair_close(&pair);
}

CASE(low_water_mark_does_not_hide_the_end, tiny)
{
	struct pair pair = PAIR;
	char got[20];

	kit_set_option(pair.b, SOL_SOCKET, SO_RCVLOWAT, 10);
	PUT(pair.a, "abc");
	MUST(shutdown(pair.a, SHUT_WR));
	CHECK(kit_await(pair.b, POLLIN) & POLLIN);
	CHECK_EQ(recv(pair.b, got, sizeof(got), 0), 3);
	CHECK_EQ(recv(pair.b, got, sizeof(got), 0), 0);
	pair_close(&pair);
}

CASE(low_water_mark_above_the_request, tiny)
{
	struct pair pair = PAIR;
	char got[4];

	kit_set_option(pair.b, SOL_SOCKET, SO_RCVLOWAT, 100);
	PUT(pair.a, "abcdef");
	CHECK_EQ(recv(pair.b, got, 4, 0), 4);
	CHECK_EQ(recv(pair.b, got, 4, MSG_DONTWAIT), 2);
	pair_close(&pair);
}

CASE(low_water_mark_lowered_makes_ready, tiny)
{
	struct pair pair = PAIR;

	kit_set_option(pair.b, SOL_SOCKET, SO_RCVLOWAT, 100);
	PUT(pair.a, "abc");
	CHECK_SILENT(pair.b);
	kit_set_option(pair.b, SOL_SOCKET, SO_RCVLOWAT, 1);
	CHECK(kit_await(pair.b, POLLIN) & POLLIN);
	CHECK_GETS(pair.b, "abc");
	pair_close(&pair);
}

/* A peer that takes nothing is given up, whoever waits for it and how. */
CASE(user_timeout_ends_a_full_connection, tiny)
{
	struct pair pair = PAIR;
	struct pollfd wait = {.fd = pair.a, .events = POLLOUT};

	kit_set_option(pair.a, IPPROTO_TCP, TCP_USER_TIMEOUT, 300);
	kit_fill(pair.a, kit_seed(), 0);
	CHECK_EQ(poll(&wait, 1, 8000), 1);
	CHECK(wait.revents & POLLERR);
	CHECK_FAILS(send(pair.a, "x", 1, MSG_NOSIGNAL), ETIMEDOUT);
	pair_close(&pair);
}

CASE(user_timeout_spares_a_peer_that_reads, tiny)
{
	struct pair pair = PAIR;
	uint64_t filled;

	kit_set_option(pair.a, IPPROTO_TCP, TCP_USER_TIMEOUT, 300);
	filled = kit_fill(pair.a, kit_seed(), 0);
	kit_recv_pattern(pair.b, filled, kit_seed(), 0);
	kit_sleep_ms(600);
	PUT(pair.a, "still here");
	CHECK_GETS(pair.b, "still here");
	pair_close(&pair);
}
