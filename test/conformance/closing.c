/* Ends of connections: half-close, FIN against RST, linger, and what the other end sees, in which order. */
#include "kit.h"

static void set_linger(int fd, int on, int seconds)
{
	struct linger linger = {.l_onoff = on, .l_linger = seconds};

	MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
}

CASE(half_close_leaves_the_other_direction, tiny, tcp)
{
	struct pair pair = PAIR;

	PUT(pair.a, "question");
	MUST(shutdown(pair.a, SHUT_WR));
	CHECK_GETS(pair.b, "question");
	CHECK_EOF(pair.b);
	kit_send_pattern(pair.b, 100, kit_seed(), 0);
	kit_recv_pattern(pair.a, 100, kit_seed(), 0);
	MUST(shutdown(pair.b, SHUT_WR));
	CHECK_EOF(pair.a);
	pair_close(&pair);
}

PEER(read_all_then_answer)
{
	CHECK_EQ(kit_drain_pattern(fd, kit_seed(), 0), (uint64_t)argument);
	kit_send_pattern(fd, (size_t)argument, kit_seed(), 0);
}

CASE(half_close_between_processes, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &read_all_then_answer, .argument = 3 * MIB};
	int fd = peer_start(&peer);

	kit_send_pattern(fd, 3 * MIB, kit_seed(), 0);
	MUST(shutdown(fd, SHUT_WR));
	CHECK_EQ(kit_drain_pattern(fd, kit_seed(), 0), 3 * MIB);
	peer_join(&peer);
	MUST(close(fd));
}

CASE(end_of_stream_stays, tiny, tcp)
{
	struct pair pair = PAIR;
	char byte;

	PUT(pair.a, "last");
	MUST(close(pair.a));
	CHECK_GETS(pair.b, "last");
	for (int i = 0; i < 5; i++)
		CHECK_EQ(recv(pair.b, &byte, 1, 0), 0);
	CHECK_EQ(recv(pair.b, &byte, 1, MSG_DONTWAIT), 0);
	CHECK_EQ(read(pair.b, &byte, 1), 0);
	MUST(close(pair.b));
}

CASE(close_wakes_a_blocked_reader, tiny)
{
	struct pair pair = PAIR;
	pid_t pid = (pid_t)MUST(fork());
	char byte;

	if (pid == 0) {
		MUST(close(pair.b));
		kit_sleep_ms(100);
		_exit(0);
	}
	MUST(close(pair.a));
	CHECK_EQ(recv(pair.b, &byte, 1, 0), 0);
	CHECK_EXITS(pid, 0);
	MUST(close(pair.b));
}

CASE(writing_after_own_half_close, tiny, tcp)
{
	struct pair pair = PAIR;

	MUST(shutdown(pair.a, SHUT_WR));
	CHECK_FAILS(send(pair.a, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_FAILS(send(pair.a, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(MUST(shutdown(pair.a, SHUT_WR)), 0);
	PUT(pair.b, "still readable");
	CHECK_GETS(pair.a, "still readable");
	pair_close(&pair);
}

/* Waits until FIONREAD says COUNT: where poll says readable anyway. */
static void await_unread(int fd, int count)
{
	int64_t start = kit_now_ms();
	int unread = -1;

	while (MUST(ioctl(fd, FIONREAD, &unread)) == 0 && unread != count) {
		if (kit_now_ms() - start > 5000)
			FAIL("%d bytes unread, expected %d", unread, count);
		kit_sleep_ms(1);
	}
}

/* SHUT_RD ends reading here and nothing there: bytes that come are still delivered, then the end again. */
CASE(shutdown_of_reading, tiny, tcp)
{
	struct pair pair = PAIR;
	char byte;

	MUST(shutdown(pair.a, SHUT_RD));
	CHECK_EQ(recv(pair.a, &byte, 1, 0), 0);
	CHECK_REVENTS(pair.a, POLLIN | POLLOUT | POLLRDHUP);
	CHECK_REVENTS(pair.b, POLLOUT);
	PUT(pair.b, "late");
	await_unread(pair.a, 4);
	CHECK_GETS(pair.a, "late");
	CHECK_EQ(recv(pair.a, &byte, 1, 0), 0);
	PUT(pair.a, "out");
	CHECK_GETS(pair.b, "out");
	pair_close(&pair);
}

CASE(shutdown_of_reading_leaves_what_came, tiny)
{
	struct pair pair = PAIR;

	PUT(pair.b, "before");
	kit_await(pair.a, POLLIN);
	MUST(shutdown(pair.a, SHUT_RD));
	CHECK_GETS(pair.a, "before");
	CHECK_EOF(pair.a);
	pair_close(&pair);
}

CASE(shutdown_of_both, tiny, tcp)
{
	struct pair pair = PAIR;
	char byte;

	PUT(pair.a, "last");
	MUST(shutdown(pair.a, SHUT_RDWR));
	CHECK_FAILS(send(pair.a, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(recv(pair.a, &byte, 1, 0), 0);
	CHECK_GETS(pair.b, "last");
	CHECK_EOF(pair.b);
	pair_close(&pair);
}

CASE(shutdown_when_all_is_closed, tiny)
{
	struct pair pair = PAIR;

	MUST(shutdown(pair.a, SHUT_WR));
	CHECK_EOF(pair.b);
	MUST(shutdown(pair.b, SHUT_WR));
	CHECK_EOF(pair.a);
	kit_sleep_ms(20);
	CHECK_FAILS(shutdown(pair.b, SHUT_RDWR), ENOTCONN);
	CHECK_FAILS(shutdown(pair.b, 7), EINVAL);
	pair_close(&pair);
}

struct waiter {
	int fd;
	ssize_t result;
	int error;
};

static void *wait_in_recv(void *argument)
{
	struct waiter *waiter = argument;
	char byte;

	waiter->result = recv(waiter->fd, &byte, 1, 0);
	waiter->error = errno;
	return NULL;
}

static void *wait_in_send(void *argument)
{
	struct waiter *waiter = argument;

	waiter->result = send(waiter->fd, "x", 1, MSG_NOSIGNAL);
	waiter->error = errno;
	return NULL;
}

static void shutdown_wakes_reader(int how)
{
	struct pair pair = PAIR;
	struct waiter waiter = {.fd = pair.a, .result = -2};
	struct thread thread;

	thread_start(&thread, wait_in_recv, &waiter);
	thread_await_asleep(&thread);
	MUST(shutdown(pair.a, how));
	thread_join(&thread);
	CHECK_EQ(waiter.result, 0);
	pair_close(&pair);
}

CASE(own_shutdown_of_reading_wakes_the_reader, tiny)
{
	shutdown_wakes_reader(SHUT_RD);
}

CASE(own_shutdown_of_both_wakes_the_reader, tiny)
{
	shutdown_wakes_reader(SHUT_RDWR);
}

CASE(own_shutdown_wakes_the_blocked_writer, tiny)
{
	struct pair pair = PAIR;
	struct waiter waiter = {.fd = pair.a, .result = -2};
	struct thread thread;

	kit_fill(pair.a, kit_seed(), 0);
	thread_start(&thread, wait_in_send, &waiter);
	thread_await_asleep(&thread);
	MUST(shutdown(pair.a, SHUT_RDWR));
	thread_join(&thread);
	CHECK_EQ(waiter.result, -1);
	CHECK_EQ(waiter.error, EPIPE);
	pair_close(&pair);
}

CASE(peer_close_wakes_the_blocked_writer, tiny)
{
	struct pair pair = PAIR;
	struct waiter waiter = {.fd = pair.a, .result = -2};
	struct thread thread;

	kit_fill(pair.a, kit_seed(), 0);
	thread_start(&thread, wait_in_send, &waiter);
	thread_await_asleep(&thread);
	MUST(close(pair.b));
	thread_join(&thread);
	CHECK_EQ(waiter.result, -1);
	CHECK_EQ(waiter.error, ECONNRESET);
	MUST(close(pair.a));
}

CASE(linger_zero_resets, tiny, tcp)
{
	struct pair pair = PAIR;
	char byte;

	set_linger(pair.a, 1, 0);
	MUST(close(pair.a));
	CHECK_REVENTS(pair.b, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	CHECK_FAILS(recv(pair.b, &byte, 1, 0), ECONNRESET);
	CHECK_EQ(recv(pair.b, &byte, 1, 0), 0);
	CHECK_FAILS(send(pair.b, "x", 1, MSG_NOSIGNAL), EPIPE);
	MUST(close(pair.b));
}

CASE(linger_zero_wakes_a_blocked_reader, tiny)
{
	struct pair pair = PAIR;
	struct waiter waiter = {.fd = pair.b, .result = -2};
	struct thread thread;

	thread_start(&thread, wait_in_recv, &waiter);
	thread_await_asleep(&thread);
	set_linger(pair.a, 1, 0);
	MUST(close(pair.a));
	thread_join(&thread);
	CHECK_EQ(waiter.result, -1);
	CHECK_EQ(waiter.error, ECONNRESET);
	MUST(close(pair.b));
}

/* Bytes that arrived before the reset are still read first. */
CASE(reset_comes_after_the_data, tiny, tcp)
{
	struct pair pair = PAIR;
	char byte;

	PUT(pair.a, "before the reset");
	kit_await(pair.b, POLLIN);
	set_linger(pair.a, 1, 0);
	MUST(close(pair.a));
	kit_await(pair.b, POLLERR);
	CHECK_GETS(pair.b, "before the reset");
	CHECK_FAILS(recv(pair.b, &byte, 1, 0), ECONNRESET);
	CHECK_EQ(recv(pair.b, &byte, 1, 0), 0);
	MUST(close(pair.b));
}

CASE(so_error_takes_the_reset, tiny, tcp)
{
	struct pair pair = PAIR;
	char byte;

	set_linger(pair.a, 1, 0);
	MUST(close(pair.a));
	kit_await(pair.b, POLLERR);
	CHECK_EQ(kit_get_option(pair.b, SOL_SOCKET, SO_ERROR), ECONNRESET);
	CHECK_EQ(kit_get_option(pair.b, SOL_SOCKET, SO_ERROR), 0);
	CHECK_REVENTS(pair.b, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	CHECK_EQ(recv(pair.b, &byte, 1, 0), 0);
	MUST(close(pair.b));
}

CASE(close_with_unread_data_resets, tiny, tcp)
{
	struct pair pair = PAIR;
	char byte;

	PUT(pair.a, "never read");
	kit_await(pair.b, POLLIN);
	MUST(close(pair.b));
	CHECK_REVENTS(pair.a, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	CHECK_FAILS(recv(pair.a, &byte, 1, 0), ECONNRESET);
	MUST(close(pair.a));
}

CASE(exit_with_unread_data_resets, tiny)
{
	struct pair pair = PAIR;
	char byte;
	pid_t pid;

	PUT(pair.a, "never read");
	kit_await(pair.b, POLLIN);
	pid = (pid_t)MUST(fork());
	if (pid == 0)
		_exit(0);
	CHECK_EXITS(pid, 0);
	MUST(close(pair.b));
	kit_await(pair.a, POLLERR);
	CHECK_FAILS(recv(pair.a, &byte, 1, 0), ECONNRESET);
	MUST(close(pair.a));
}

PEER(exit_now)
{
	kit_sleep_ms((int)argument);
	_exit(0);
}

CASE(exit_without_close_ends_the_stream, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &exit_now, .argument = 50};
	int fd = peer_start(&peer);

	CHECK_EOF(fd);
	peer_join(&peer);
	MUST(close(fd));
}

PEER(exit_when_readable)
{
	kit_await(fd, POLLIN);
	_exit(0);
}

CASE(exit_of_a_process_with_unread_data_resets, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &exit_when_readable};
	int fd = peer_start(&peer);
	char byte;

	PUT(fd, "never read");
	peer_join(&peer);
	kit_await(fd, POLLERR);
	CHECK_FAILS(recv(fd, &byte, 1, 0), ECONNRESET);
	MUST(close(fd));
}

/* The first write to a closed peer is taken, its answer is a reset, and the next one fails. */
CASE(writing_to_a_closed_peer, tiny, tcp)
{
	struct pair pair = PAIR;
	char byte;

	MUST(close(pair.b));
	CHECK_REVENTS(pair.a, POLLIN | POLLOUT | POLLRDHUP);
	CHECK_EQ(send(pair.a, "x", 1, MSG_NOSIGNAL), 1);
	kit_await(pair.a, POLLERR);
	CHECK_REVENTS(pair.a, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	CHECK_FAILS(send(pair.a, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(recv(pair.a, &byte, 1, 0), 0);
	CHECK_FAILS(send(pair.a, "x", 1, MSG_NOSIGNAL), EPIPE);
	MUST(close(pair.a));
}

CASE(so_error_after_writing_to_a_closed_peer, tiny)
{
	struct pair pair = PAIR;

	MUST(close(pair.b));
	kit_await(pair.a, POLLRDHUP);
	CHECK_EQ(send(pair.a, "x", 1, MSG_NOSIGNAL), 1);
	kit_await(pair.a, POLLERR);
	CHECK_EQ(kit_get_option(pair.a, SOL_SOCKET, SO_ERROR), EPIPE);
	CHECK_EQ(kit_get_option(pair.a, SOL_SOCKET, SO_ERROR), 0);
	MUST(close(pair.a));
}

CASE(data_written_before_close_all_arrives, tiny, tcp)
{
	struct pair pair = PAIR;
	uint64_t filled = kit_fill(pair.a, kit_seed(), 0);

	MUST(close(pair.a));
	CHECK_EQ(kit_drain_pattern(pair.b, kit_seed(), 0), filled);
	CHECK_EOF(pair.b);
	MUST(close(pair.b));
}

PEER(fill_and_exit)
{
	uint64_t filled;

	kit_get(fd, &(char){0}, 1);
	filled = kit_fill(fd, kit_seed(), 0);
	_exit(filled ? 0 : 1);
}

CASE(data_written_before_exit_all_arrives, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &fill_and_exit};
	int fd = peer_start(&peer);

	PUT(fd, "!");
	peer_join(&peer);
	kit_sleep_ms(50);
	CHECK(kit_drain_pattern(fd, kit_seed(), 0) > 0);
	CHECK_EOF(fd);
	MUST(close(fd));
}

CASE(linger_with_time_delivers, tiny)
{
	struct pair pair = PAIR;
	int64_t start = kit_now_ms();

	set_linger(pair.a, 1, 3);
	PUT(pair.a, "delivered");
	MUST(close(pair.a));
	CHECK(kit_now_ms() - start < 2500);
	CHECK_GETS(pair.b, "delivered");
	CHECK_EOF(pair.b);
	MUST(close(pair.b));
}

CASE(linger_reads_back, tiny)
{
	struct pair pair = PAIR;
	struct linger linger = {0};
	socklen_t length = sizeof(linger);

	set_linger(pair.a, 1, 7);
	MUST(getsockopt(pair.a, SOL_SOCKET, SO_LINGER, &linger, &length));
	CHECK_EQ(linger.l_onoff, 1);
	CHECK_EQ(linger.l_linger, 7);
	pair_close(&pair);
}

CASE(both_close_at_once, tiny)
{
	for (int i = 0; i < 20; i++) {
		struct pair pair = PAIR;
		MUST(shutdown(pair.a, SHUT_WR));
		MUST(shutdown(pair.b, SHUT_WR));
		CHECK_EOF(pair.a);
		CHECK_EOF(pair.b);
		pair_close(&pair);
	}
}

CASE(closed_descriptor_is_bad, tiny)
{
	struct pair pair = PAIR;
	char byte;

	pair_close(&pair);
	CHECK_FAILS(recv(pair.a, &byte, 1, 0), EBADF);
	CHECK_FAILS(send(pair.a, &byte, 1, 0), EBADF);
	CHECK_FAILS(read(pair.a, &byte, 1), EBADF);
	CHECK_FAILS(shutdown(pair.a, SHUT_WR), EBADF);
	CHECK_FAILS(close(pair.a), EBADF);
}

/* ---- closed by one that left a copy to a program ---- */

static int gate[2]; /* the program goes when it is closed */

PEER(leaves_a_copy_and_exits)
{
	char byte;

	kit_get(fd, &byte, 1);
	MUST(dup2(gate[0], 9));
	CHECK_EQ(system("cat <&9 >/dev/null 2>&1 &"), 0);
	exit(0);
}

/* As long as that lives the connection is open, and full: time runs, and nothing else does. */
CASE(full_to_one_that_left_a_copy, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &leaves_a_copy_and_exits};
	int64_t start;
	int fd;

	MUST(pipe2(gate, O_CLOEXEC));
	fd = peer_start(&peer);
	PUT(fd, "x");
	CHECK_EXITS(peer.pid, 0);
	kit_fill(fd, kit_seed(), 0);
	start = kit_now_ms();
	CHECK_EQ(MUST(poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 200)), 0);
	CHECK_LASTED(start, 200);
	kit_set_timeout(fd, SO_SNDTIMEO, 200);
	start = kit_now_ms();
	CHECK_FAILS(send(fd, "x", 1, 0), EAGAIN);
	CHECK_LASTED(start, 200);
	MUST(close(gate[0]));
	MUST(close(gate[1]));
	MUST(close(fd));
}
