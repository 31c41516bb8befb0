/* What each flag of the send and recv calls does. */
#include "kit.h"

CASE(peek_leaves_the_bytes, tiny, tcp)
{
	struct pair pair = PAIR;
	char got[16];

	PUT(pair.a, "hello");
	kit_await(pair.b, POLLIN);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(recv(pair.b, got, sizeof(got), MSG_PEEK), 5);
		CHECK_EQ(memcmp(got, "hello", 5), 0);
	}
	CHECK_EQ(recv(pair.b, got, 2, MSG_PEEK), 2);
	CHECK_GETS(pair.b, "hello");
	CHECK_FAILS(recv(pair.b, got, 1, MSG_PEEK | MSG_DONTWAIT), EAGAIN);
	pair_close(&pair);
}

CASE(peek_then_read_less_then_peek, tiny, tcp)
{
	struct pair pair = PAIR;
	char got[16];

	PUT(pair.a, "abcdef");
	CHECK_EQ(recv(pair.b, got, 6, MSG_PEEK | MSG_WAITALL), 6);
	CHECK_GETS(pair.b, "ab");
	CHECK_EQ(recv(pair.b, got, sizeof(got), MSG_PEEK), 4);
	CHECK_EQ(memcmp(got, "cdef", 4), 0);
	PUT(pair.a, "gh");
	CHECK_GETS(pair.b, "cdefgh");
	pair_close(&pair);
}

CASE(peek_sees_the_end_of_the_stream, tiny)
{
	struct pair pair = PAIR;
	char got[4];

	PUT(pair.a, "x");
	MUST(shutdown(pair.a, SHUT_WR));
	CHECK_EQ(recv(pair.b, got, 4, MSG_PEEK | MSG_WAITALL), 1);
	CHECK_GETS(pair.b, "x");
	CHECK_EQ(recv(pair.b, got, 4, MSG_PEEK), 0);
	CHECK_EQ(recv(pair.b, got, 4, MSG_PEEK), 0);
	CHECK_EQ(recv(pair.b, got, 4, 0), 0);
	pair_close(&pair);
}

PEER(send_in_four)
{
	for (int i = 0; i < 4; i++) {
		kit_sleep_ms(20);
		kit_send_pattern(fd, 25, kit_seed(), (uint64_t)i * 25);
	}
	kit_sleep_ms((int)argument);
}

CASE(peek_blocks_until_a_byte_comes, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &send_in_four};
	int fd = peer_start(&peer);
	char got[100];
	ssize_t seen = MUST(recv(fd, got, sizeof(got), MSG_PEEK));

	CHECK(seen > 0);
	CHECK_PATTERN(got, (size_t)seen, kit_seed(), 0);
	kit_recv_pattern(fd, 100, kit_seed(), 0);
	peer_join(&peer);
	MUST(close(fd));
}

CASE(waitall_waits_for_all, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &send_in_four, .argument = 100};
	int fd = peer_start(&peer);
	char got[100];

	CHECK_EQ(recv(fd, got, sizeof(got), MSG_WAITALL), 100);
	CHECK_PATTERN(got, 100, kit_seed(), 0);
	peer_join(&peer);
	MUST(close(fd));
}

CASE(waitall_peek_waits_for_all_and_leaves_it, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &send_in_four, .argument = 100};
	int fd = peer_start(&peer);
	char got[100];

	CHECK_EQ(recv(fd, got, sizeof(got), MSG_WAITALL | MSG_PEEK), 100);
	CHECK_PATTERN(got, 100, kit_seed(), 0);
	kit_recv_pattern(fd, 100, kit_seed(), 0);
	peer_join(&peer);
	MUST(close(fd));
}

CASE(waitall_ends_early_at_the_end_of_the_stream, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &send_in_four};
	int fd = peer_start(&peer);
	char got[200];

	CHECK_EQ(recv(fd, got, sizeof(got), MSG_WAITALL), 100);
	CHECK_PATTERN(got, 100, kit_seed(), 0);
	CHECK_EQ(recv(fd, got, sizeof(got), MSG_WAITALL), 0);
	peer_join(&peer);
	MUST(close(fd));
}

CASE(waitall_over_several_vectors, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &send_in_four};
	int fd = peer_start(&peer);
	char got[100];
	struct iovec parts[4] = {{got, 10}, {got + 10, 0}, {got + 10, 60}, {got + 70, 30}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 4};

	CHECK_EQ(recvmsg(fd, &message, MSG_WAITALL), 100);
	CHECK_PATTERN(got, 100, kit_seed(), 0);
	peer_join(&peer);
	MUST(close(fd));
}

CASE(waitall_without_waiting_takes_what_is_there, tiny)
{
	struct pair pair = PAIR;
	char got[10];

	CHECK_FAILS(recv(pair.b, got, 10, MSG_WAITALL | MSG_DONTWAIT), EAGAIN);
	PUT(pair.a, "abc");
	kit_await(pair.b, POLLIN);
	CHECK_EQ(recv(pair.b, got, 10, MSG_WAITALL | MSG_DONTWAIT), 3);
	kit_set_nonblocking(pair.b, true);
	PUT(pair.a, "abcd");
	kit_await(pair.b, POLLIN);
	CHECK_EQ(recv(pair.b, got, 10, MSG_WAITALL), 4);
	pair_close(&pair);
}

PEER(send_large)
{
	kit_send_pattern(fd, (size_t)argument, kit_seed(), 0);
}

CASE(waitall_larger_than_every_buffer, tiny)
{
	size_t size = 16 * MIB;
	struct peer peer = {.party = PARTY_PROCESS, .run = &send_large, .argument = (long)size};
	int fd = peer_start(&peer);
	char *got = malloc(size);

	CHECK_EQ(recv(fd, got, size, MSG_WAITALL), size);
	CHECK_PATTERN(got, size, kit_seed(), 0);
	free(got);
	peer_join(&peer);
	MUST(close(fd));
}

CASE(dontwait_on_empty_and_full, tiny, tcp)
{
	struct pair pair = PAIR;
	char byte;
	uint64_t filled;

	CHECK_FAILS(recv(pair.a, &byte, 1, MSG_DONTWAIT), EAGAIN);
	CHECK_FAILS(recv(pair.b, &byte, 1, MSG_DONTWAIT), EAGAIN);
	filled = kit_fill(pair.a, kit_seed(), 0);
	CHECK_FAILS(send(pair.a, "x", 1, MSG_DONTWAIT), EAGAIN);
	kit_recv_pattern(pair.b, filled, kit_seed(), 0);
	CHECK_FAILS(recv(pair.b, &byte, 1, MSG_DONTWAIT), EAGAIN);
	pair_close(&pair);
}

/* On TCP, MSG_TRUNC throws the bytes away and returns how many. */
CASE(trunc_discards, tiny, tcp)
{
	struct pair pair = PAIR;
	char got[8] = "-------";

	PUT(pair.a, "abcdefgh");
	kit_await(pair.b, POLLIN);
	CHECK_EQ(recv(pair.b, got, 4, MSG_TRUNC), 4);
	CHECK_EQ(memcmp(got, "-------", 7), 0);
	CHECK_EQ(recv(pair.b, NULL, 2, MSG_TRUNC), 2);
	CHECK_GETS(pair.b, "gh");
	pair_close(&pair);
}

CASE(trunc_waitall_discards_all, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &send_in_four};
	int fd = peer_start(&peer);

	CHECK_EQ(recv(fd, NULL, 60, MSG_TRUNC | MSG_WAITALL), 60);
	kit_recv_pattern(fd, 40, kit_seed(), 60);
	peer_join(&peer);
	MUST(close(fd));
}

static volatile sig_atomic_t pipe_signals;

static void on_pipe(int signal __attribute__((unused)))
{
	pipe_signals++;
}

/* A pair whose A can no longer write. */
static struct pair pair_broken(void)
{
	struct pair pair = PAIR;

	MUST(shutdown(pair.a, SHUT_WR));
	return pair;
}

CASE(nosignal_only_fails, tiny, tcp)
{
	struct pair pair = pair_broken();
	struct iovec part = {"x", 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	signal(SIGPIPE, on_pipe);
	CHECK_FAILS(send(pair.a, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_FAILS(sendto(pair.a, "x", 1, MSG_NOSIGNAL, NULL, 0), EPIPE);
	CHECK_FAILS(sendmsg(pair.a, &message, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(pipe_signals, 0);
	pair_close(&pair);
}

CASE(broken_pipe_raises_sigpipe, tiny, tcp)
{
	struct pair pair = pair_broken();
	struct iovec part = {"x", 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	struct mmsghdr messages = {.msg_hdr = message};

	signal(SIGPIPE, on_pipe);
	CHECK_FAILS(write(pair.a, "x", 1), EPIPE);
	CHECK_EQ(pipe_signals, 1);
	CHECK_FAILS(send(pair.a, "x", 1, 0), EPIPE);
	CHECK_EQ(pipe_signals, 2);
	CHECK_FAILS(writev(pair.a, &part, 1), EPIPE);
	CHECK_EQ(pipe_signals, 3);
	CHECK_FAILS(sendmsg(pair.a, &message, 0), EPIPE);
	CHECK_EQ(pipe_signals, 4);
	CHECK_FAILS(sendmmsg(pair.a, &messages, 1, 0), EPIPE);
	CHECK_EQ(pipe_signals, 5);
	CHECK_FAILS(send(pair.a, "x", 1, MSG_DONTWAIT), EPIPE);
	CHECK_EQ(pipe_signals, 6);
	pair_close(&pair);
}

static void write_to_broken_pipe(void *argument)
{
	CHECK_FAILS(write(*(int *)argument, "x", 1), EPIPE);
}

CASE(sigpipe_kills_by_default, tiny)
{
	struct pair pair = pair_broken();

	kit_wait_killed(kit_fork(write_to_broken_pipe, &pair.a), SIGPIPE);
	signal(SIGPIPE, SIG_IGN);
	CHECK_EXITS(kit_fork(write_to_broken_pipe, &pair.a), 0);
	pair_close(&pair);
}

static void *write_with_sigpipe_blocked(void *argument)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	PTHREAD(pthread_sigmask(SIG_BLOCK, &set, NULL));
	CHECK_FAILS(write(*(int *)argument, "x", 1), EPIPE);
	/* It is the writing thread's own. */
	CHECK_EQ(sigtimedwait(&set, NULL, &(struct timespec){0, 0}), SIGPIPE);
	CHECK_FAILS(sigtimedwait(&set, NULL, &(struct timespec){0, 0}), EAGAIN);
	return NULL;
}

CASE(sigpipe_goes_to_the_writing_thread, tiny)
{
	struct pair pair = pair_broken();
	struct thread thread;

	thread_start(&thread, write_with_sigpipe_blocked, &pair.a);
	thread_join(&thread);
	pair_close(&pair);
}

CASE(more_then_the_rest_arrives, tiny, tcp)
{
	struct pair pair = PAIR;

	CHECK_EQ(send(pair.a, "abc", 3, MSG_MORE), 3);
	CHECK_EQ(send(pair.a, "def", 3, MSG_MORE), 3);
	CHECK_EQ(send(pair.a, "ghi", 3, 0), 3);
	CHECK_GETS(pair.b, "abcdefghi");
	pair_close(&pair);
}

/* Held bytes go out by themselves after some 200 ms at the latest. */
CASE(more_alone_arrives_in_the_end, tiny)
{
	struct pair pair = PAIR;

	CHECK_EQ(send(pair.a, "abc", 3, MSG_MORE), 3);
	CHECK_GETS(pair.b, "abc");
	CHECK_EQ(send(pair.a, "tail", 4, MSG_MORE), 4);
	MUST(shutdown(pair.a, SHUT_WR));
	CHECK_GETS(pair.b, "tail");
	CHECK_EOF(pair.b);
	pair_close(&pair);
}

CASE(cork_then_uncork, tiny, tcp)
{
	struct pair pair = PAIR;

	kit_set_option(pair.a, IPPROTO_TCP, TCP_CORK, 1);
	CHECK_EQ(kit_get_option(pair.a, IPPROTO_TCP, TCP_CORK), 1);
	for (int i = 0; i < 10; i++)
		PUT(pair.a, "cork");
	kit_set_option(pair.a, IPPROTO_TCP, TCP_CORK, 0);
	for (int i = 0; i < 10; i++)
		CHECK_GETS(pair.b, "cork");
	PUT(pair.b, "back");
	CHECK_GETS(pair.a, "back");
	pair_close(&pair);
}

/* TCP_INQ is something that only the kernel has: from there on the cork is its own. */
CASE(cork_outlives_the_ring, tiny)
{
	struct pair pair = PAIR;

	kit_set_option(pair.a, IPPROTO_TCP, TCP_CORK, 1);
	PUT(pair.a, "one ");
	kit_set_option(pair.a, IPPROTO_TCP, TCP_INQ, 1);
	CHECK_EQ(kit_get_option(pair.a, IPPROTO_TCP, TCP_CORK), 1);
	PUT(pair.a, "two");
	kit_set_option(pair.a, IPPROTO_TCP, TCP_CORK, 0);
	CHECK_EQ(kit_get_option(pair.a, IPPROTO_TCP, TCP_CORK), 0);
	CHECK_GETS(pair.b, "one two");
	pair_close(&pair);
}

CASE(corked_before_promotion, tiny)
{
	struct pair pair = pair_new(AF_INET);

	kit_set_option(pair.a, IPPROTO_TCP, TCP_CORK, 1);
	PUT(pair.a, "held ");
	PUT(pair.b, "reply");
	CHECK_GETS(pair.a, "reply");
	PUT(pair.a, "bytes");
	kit_set_option(pair.a, IPPROTO_TCP, TCP_CORK, 0);
	PUT(pair.a, "!");
	CHECK_GETS(pair.b, "held bytes!");
	kit_promote(pair.a, pair.b);
	pair_close(&pair);
}

CASE(errqueue_is_empty, tiny)
{
	struct pair pair = PAIR;
	char got[8];

	PUT(pair.a, "data");
	kit_await(pair.b, POLLIN);
	CHECK_FAILS(recv(pair.b, got, sizeof(got), MSG_ERRQUEUE), EAGAIN);
	CHECK_GETS(pair.b, "data");
	pair_close(&pair);
}

/* MSG_EOR, MSG_CONFIRM, MSG_DONTROUTE and MSG_CMSG_CLOEXEC change nothing for a stream. */
CASE(flags_without_effect, tiny)
{
	struct pair pair = PAIR;
	char got[8];

	CHECK_EQ(send(pair.a, "abcd", 4, MSG_EOR), 4);
	CHECK_EQ(send(pair.a, "ef", 2, MSG_CONFIRM | MSG_DONTROUTE), 2);
	CHECK_EQ(recv(pair.b, got, 6, MSG_CMSG_CLOEXEC | MSG_WAITALL), 6);
	CHECK_EQ(memcmp(got, "abcdef", 6), 0);
	pair_close(&pair);
}
