/* The switch itself: whatever is under way when a connection leaves TCP goes on as if nothing had happened. */
#include "kit.h"

/* Rounds of ping-pong over the peer's own descriptor, so both ends make calls and promotion happens. */
PEER(answer_rounds)
{
	kit_promote_passive(fd);
}

PEER(answer_rounds_then_echo)
{
	char buffer[4096];
	ssize_t got;

	kit_promote_passive(fd);
	while ((got = MUST(recv(fd, buffer, sizeof(buffer), 0))) > 0)
		kit_put(fd, buffer, (size_t)got);
}

static void *send_large(void *argument)
{
	kit_send_pattern(*(int *)argument, 4 * MIB, kit_seed(), 0);
	return NULL;
}

/* A thread is in the middle of one large blocking write while small exchanges go the other way. */
CASE(large_write_in_flight, tiny, tcp)
{
	struct pair pair = pair_new(AF_INET);
	struct thread writer;
	static char buffer[20000];

	thread_start(&writer, send_large, &pair.a);
	for (uint64_t at = 0; at < 4 * MIB;) {
		size_t want = sizeof(buffer) < 4 * MIB - at ? sizeof(buffer) : 4 * MIB - at;
		ssize_t got = MUST(recv(pair.b, buffer, want, 0));
		CHECK_PATTERN(buffer, (size_t)got, kit_seed(), at);
		at += (uint64_t)got;
		PUT(pair.b, "t");
		CHECK_GETS(pair.a, "t");
	}
	thread_join(&writer);
	kit_promote(pair.a, pair.b);
	pair_close(&pair);
}

CASE(one_large_write_call_in_flight)
{
	struct pair pair = pair_new(AF_INET);
	size_t size = 32 * MIB;
	char *out = malloc(size);
	pid_t pid;

	kit_pattern(out, size, kit_seed(), 0);
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		MUST(close(pair.a));
		kit_recv_pattern(pair.b, size, kit_seed(), 0);
		kit_promote_passive(pair.b);
		_exit(0);
	}
	MUST(close(pair.b));
	CHECK_EQ(MUST(write(pair.a, out, size)), size);
	kit_promote_active(pair.a);
	CHECK_EXITS(pid, 0);
	free(out);
	MUST(close(pair.a));
}

struct call {
	int fd;
	char bytes[16];
	ssize_t result;
	int flags;
	size_t size;
};

static void *receive(void *argument)
{
	struct call *call = argument;

	call->result = recv(call->fd, call->bytes, call->size, call->flags);
	return NULL;
}

/* A thread sleeps in a read since before promotion; then bytes come. */
CASE(reader_blocked_since_before, tiny, tcp)
{
	struct pair pair = pair_new(AF_INET);
	struct call call = {.fd = pair.b, .size = 16};
	struct thread thread;

	thread_start(&thread, receive, &call);
	thread_await_asleep(&thread);
	for (int i = 0; i < 50; i++) {
		PUT(pair.b, "to a");
		CHECK_GETS(pair.a, "to a");
	}
	PUT(pair.a, "awaited");
	thread_join(&thread);
	CHECK_EQ(call.result, 7);
	CHECK_EQ(memcmp(call.bytes, "awaited", 7), 0);
	kit_promote(pair.a, pair.b);
	pair_close(&pair);
}

/* The reader at the other end has slept in the kernel since before; the writer's direction may be promoted at any write. */
CASE(reader_process_blocked_since_before, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &answer_rounds_then_echo, .fresh = true};
	int fd = peer_start(&peer);

	kit_sleep_ms(50);
	kit_promote_active(fd);
	for (uint64_t at = 0; at < 20000; at += 100) {
		kit_send_pattern(fd, 100, kit_seed(), at);
		kit_recv_pattern(fd, 100, kit_seed(), at);
		if (at % 5000 == 0)
			kit_sleep_ms(10);
	}
	CHECK_CARRIED(fd, 10000, 10000);
	MUST(shutdown(fd, SHUT_WR));
	peer_join(&peer);
	MUST(close(fd));
}

/* Bytes left unread on TCP when the writer goes on elsewhere: one stream to the reader. */
CASE(unread_bytes_at_the_switch, tiny, tcp)
{
	struct pair pair = pair_new(AF_INET);
	uint64_t sent = 0, read = 0;

	/* B always leaves something behind; A answers go straight back. */
	for (int i = 0; i < 150; i++) {
		kit_send_pattern(pair.a, 10, kit_seed(), sent);
		sent += 10;
		if (i >= 10) {
			kit_recv_pattern(pair.b, 10, kit_seed(), read);
			read += 10;
		}
		PUT(pair.b, "a");
		CHECK_GETS(pair.a, "a");
	}
	kit_recv_pattern(pair.b, sent - read, kit_seed(), read);
	CHECK_FAILS(recv(pair.b, &(char){0}, 1, MSG_DONTWAIT), EAGAIN);
	kit_promote(pair.a, pair.b);
	pair_close(&pair);
}

CASE(unread_bytes_both_ways_at_the_switch, tiny)
{
	struct pair pair = pair_new(AF_INET);
	uint64_t at = 0;

	for (int i = 0; i < 100; i++, at += 10) {
		kit_send_pattern(pair.a, 10, 1, at);
		kit_send_pattern(pair.b, 10, 2, at);
		if (i == 0)
			continue;
		kit_recv_pattern(pair.a, 10, 2, at - 10);
		kit_recv_pattern(pair.b, 10, 1, at - 10);
	}
	kit_recv_pattern(pair.a, 10, 2, at - 10);
	kit_recv_pattern(pair.b, 10, 1, at - 10);
	kit_promote(pair.a, pair.b);
	pair_close(&pair);
}

/* Peeked on one side of the switch, read on the other. */
CASE(peek_pending, tiny, tcp)
{
	struct pair pair = pair_new(AF_INET);
	uint64_t sent = 0, read = 0;
	char got[64];

	for (int i = 0; i < 100; i++) {
		kit_send_pattern(pair.a, 10, kit_seed(), sent);
		sent += 10;
		size_t there = (size_t)(sent - read);
		while ((size_t)MUST(recv(pair.b, got, sizeof(got), MSG_PEEK)) < there)
			;
		CHECK_PATTERN(got, there, kit_seed(), read);
		if (i % 4 == 3) {
			kit_recv_pattern(pair.b, there - 3, kit_seed(), read);
			read += there - 3;
		}
		PUT(pair.b, "a");
		CHECK_GETS(pair.a, "a");
	}
	kit_recv_pattern(pair.b, sent - read, kit_seed(), read);
	kit_promote(pair.a, pair.b);
	pair_close(&pair);
}

/* One WAITALL read begins on TCP and ends after the switch. */
CASE(waitall_across, tiny, tcp)
{
	for (int split = 1; split < 15; split++) {
		struct pair pair = pair_new(AF_INET);
		struct call call = {.fd = pair.b, .size = 16, .flags = MSG_WAITALL};
		struct thread thread;
		thread_start(&thread, receive, &call);
		kit_send_pattern(pair.a, (size_t)split, kit_seed(), 0);
		for (int i = 0; i < 20; i++) {
			PUT(pair.b, "b");
			CHECK_GETS(pair.a, "b");
		}
		for (int at = split; at < 16; at++)
			kit_send_pattern(pair.a, 1, kit_seed(), (uint64_t)at);
		thread_join(&thread);
		CHECK_EQ(call.result, 16);
		CHECK_PATTERN(call.bytes, 16, kit_seed(), 0);
		kit_promote(pair.a, pair.b);
		pair_close(&pair);
	}
}

/* The same, with reads of random sizes on a stream that is promoted somewhere in the middle. */
PEER(send_in_pieces)
{
	uint64_t random = kit_seed();

	for (uint64_t at = 0; at < (uint64_t)argument;) {
		size_t size = 1 + kit_random_below(&random, 200);
		if (size > (uint64_t)argument - at)
			size = (uint64_t)argument - at;
		kit_send_pattern(fd, size, kit_seed(), at);
		at += size;
		/* Not after the last piece: what comes then is the other end's question. */
		if (at < (uint64_t)argument && kit_random_below(&random, 10) == 0) {
			PUT(fd, "");
			recv(fd, &(char){0}, 1, MSG_DONTWAIT);
		}
	}
	kit_promote_passive(fd);
}

CASE(random_reads_across, tiny, tcp)
{
	for (int run = 0; run < 10; run++) {
		struct peer peer = {.party = PARTY_PROCESS, .run = &send_in_pieces, .argument = 30000, .fresh = true};
		int fd = peer_start(&peer);
		uint64_t random = kit_seed() + (uint64_t)run;
		for (uint64_t at = 0; at < 30000;) {
			static const int flags[] = {0, MSG_WAITALL, MSG_PEEK, MSG_PEEK | MSG_WAITALL, MSG_DONTWAIT, 0};
			char got[200]; /* a peek that waits for all needs room for all */
			size_t size = 1 + kit_random_below(&random, sizeof(got));
			int flag = flags[kit_random_below(&random, 6)];
			if (size > 30000 - at)
				size = 30000 - at;
			ssize_t came = recv(fd, got, size, flag);
			if (came == -1) {
				CHECK_EQ(errno, EAGAIN);
				CHECK(flag & MSG_DONTWAIT);
				continue;
			}
			CHECK(flag & MSG_WAITALL ? (size_t)came == size : came > 0);
			CHECK_PATTERN(got, (size_t)came, kit_seed(), at);
			if (!(flag & MSG_PEEK))
				at += (uint64_t)came;
		}
		kit_promote_active(fd);
		peer_join(&peer);
		MUST(close(fd));
	}
}

static void *wait_in_poll(void *argument)
{
	struct call *call = argument;

	call->result = poll(&(struct pollfd){.fd = call->fd, .events = POLLIN}, 1, 5000);
	return NULL;
}

/* Asleep in poll with a low-water mark of 8, whose first bytes come before the switch and whose last come after it. */
CASE(low_water_mark_across, tiny, tcp)
{
	for (int split = 1; split < 8; split++) {
		struct pair pair = pair_new(AF_INET);
		struct call call = {.fd = pair.b};
		struct thread thread;
		char got[16];
		kit_set_option(pair.b, SOL_SOCKET, SO_RCVLOWAT, 8);
		thread_start(&thread, wait_in_poll, &call);
		kit_send_pattern(pair.a, (size_t)split, kit_seed(), 0);
		for (int i = 0; i < 20; i++) {
			PUT(pair.b, "b");
			CHECK_GETS(pair.a, "b");
		}
		CHECK_SILENT(pair.b);
		kit_send_pattern(pair.a, (size_t)(8 - split), kit_seed(), (uint64_t)split);
		thread_join(&thread);
		CHECK_EQ(call.result, 1);
		CHECK_EQ(recv(pair.b, got, sizeof(got), 0), 8);
		CHECK_PATTERN(got, 8, kit_seed(), 0);
		kit_set_option(pair.b, SOL_SOCKET, SO_RCVLOWAT, 1);
		kit_promote(pair.a, pair.b);
		pair_close(&pair);
	}
}

CASE(fionread_across, tiny)
{
	struct pair pair = pair_new(AF_INET);
	int unread;

	for (int i = 1; i <= 100; i++) {
		PUT(pair.a, "x");
		PUT(pair.b, "a");
		CHECK_GETS(pair.a, "a");
		int64_t start = kit_now_ms();
		do {
			MUST(ioctl(pair.b, FIONREAD, &unread));
			CHECK(unread <= i && kit_now_ms() - start < 5000);
		} while (unread < i);
	}
	for (int i = 0; i < 100; i++)
		CHECK_GETS(pair.b, "x");
	kit_promote(pair.a, pair.b);
	pair_close(&pair);
}

/* Sleepers in poll and epoll_wait since before promotion wake up for bytes that come after it. */
CASE(poller_blocked_since_before, tiny)
{
	struct pair pair = pair_new(AF_INET);
	struct call call = {.fd = pair.b};
	struct thread thread;

	thread_start(&thread, wait_in_poll, &call);
	thread_await_asleep(&thread);
	for (int i = 0; i < 50; i++) {
		PUT(pair.b, "to a");
		CHECK_GETS(pair.a, "to a");
	}
	PUT(pair.a, "x");
	thread_join(&thread);
	CHECK_EQ(call.result, 1);
	CHECK_GETS(pair.b, "x");
	kit_promote(pair.a, pair.b);
	pair_close(&pair);
}

static void *wait_in_epoll(void *argument)
{
	struct call *call = argument;
	int set = (int)MUST(epoll_create1(0));
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};

	MUST(epoll_ctl(set, EPOLL_CTL_ADD, call->fd, &event));
	call->result = epoll_wait(set, &event, 1, 5000);
	MUST(close(set));
	return NULL;
}

CASE(epoll_waiter_blocked_since_before, tiny)
{
	struct pair pair = pair_new(AF_INET);
	struct call call = {.fd = pair.b};
	struct thread thread;

	thread_start(&thread, wait_in_epoll, &call);
	thread_await_asleep(&thread);
	for (int i = 0; i < 50; i++) {
		PUT(pair.b, "to a");
		CHECK_GETS(pair.a, "to a");
	}
	PUT(pair.a, "x");
	thread_join(&thread);
	CHECK_EQ(call.result, 1);
	CHECK_GETS(pair.b, "x");
	kit_promote(pair.a, pair.b);
	pair_close(&pair);
}

/* Readiness just around the switch: after every write, the reader's poll and epoll must see it. */
CASE(readiness_around, tiny, tcp)
{
	for (int run = 0; run < 20; run++) {
		struct pair pair = pair_new(AF_INET);
		int level = (int)MUST(epoll_create1(0)), edge = (int)MUST(epoll_create1(0));
		struct epoll_event event = {.events = EPOLLIN};
		MUST(epoll_ctl(level, EPOLL_CTL_ADD, pair.b, &event));
		event.events |= EPOLLET;
		MUST(epoll_ctl(edge, EPOLL_CTL_ADD, pair.b, &event));
		for (int i = 0; i < 30; i++) {
			PUT(pair.a, "x");
			CHECK_EQ(MUST(epoll_wait(edge, &event, 1, 5000)), 1);
			CHECK_EQ(MUST(epoll_wait(level, &event, 1, 5000)), 1);
			CHECK_EQ(poll(&(struct pollfd){.fd = pair.b, .events = POLLIN}, 1, 5000), 1);
			CHECK_GETS(pair.b, "x");
			CHECK_EQ(MUST(epoll_wait(edge, &event, 1, 0)), 0);
			CHECK_EQ(MUST(epoll_wait(level, &event, 1, 0)), 0);
			PUT(pair.b, "y");
			CHECK_GETS(pair.a, "y");
		}
		kit_promote(pair.a, pair.b);
		MUST(close(level));
		MUST(close(edge));
		pair_close(&pair);
	}
}

/* Only one direction is ever used. */
PEER(only_reads)
{
	CHECK_EQ(kit_drain_pattern(fd, kit_seed(), 0), (uint64_t)argument);
}

CASE(one_direction_only, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &only_reads, .argument = 64 * MIB, .fresh = true};
	int fd = peer_start(&peer);
	struct rdma_carrier carrier;

	kit_send_pattern(fd, 64 * MIB, kit_seed(), 0);
	if (kit_expect() == EXPECT_SHM) {
		CHECK(kit_carrier(fd, &carrier));
		CHECK(carrier.shm_send_bytes > 0);
	}
	MUST(shutdown(fd, SHUT_WR));
	CHECK_EOF(fd);
	peer_join(&peer);
	MUST(close(fd));
}

CASE(many_connections_between_two_processes, tiny)
{
	enum { COUNT = 60 };
	static struct peer peers[COUNT];
	int fds[COUNT];

	for (int i = 0; i < COUNT; i++) {
		peers[i] = (struct peer){.party = i % 2 ? PARTY_PROCESS : PARTY_THREAD, .run = &answer_rounds};
		fds[i] = peer_start(&peers[i]);
	}
	for (int i = 0; i < COUNT; i++)
		kit_promote_active(fds[i]);
	for (int i = 0; i < COUNT; i++) {
		CHECK_CARRIED(fds[i], 1, 1);
		peer_join(&peers[i]);
		MUST(close(fds[i]));
	}
}

CASE(many_connections_in_one_thread, tiny)
{
	enum { COUNT = 200 };
	static struct pair pairs[COUNT];

	for (int i = 0; i < COUNT; i++)
		pairs[i] = PAIR;
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < COUNT; i++)
			kit_send_pattern(pairs[i].a, 50, (uint64_t)i, (uint64_t)round * 50);
		for (int i = 0; i < COUNT; i++)
			kit_recv_pattern(pairs[i].b, 50, (uint64_t)i, (uint64_t)round * 50);
	}
	for (int i = 0; i < COUNT; i++) {
		CHECK_CARRIED(pairs[i].a, 250, 0);
		pair_close(&pairs[i]);
	}
}

/* ---- a server whose workers are not the listener's user ---- */

enum { EARLY = 20 };

static int may_accept[2];

static void accept_as_nobody(void *argument)
{
	char bytes[EARLY];
	int fd;

	MUST(setresuid(65534, 65534, 65534));
	MUST(read(may_accept[0], bytes, 1));
	fd = (int)MUST(accept(*(int *)argument, NULL, NULL));
	kit_get(fd, bytes, sizeof(bytes));
	kit_promote_passive(fd);
	MUST(close(fd));
}

/* The other end begins to look before it is accepted. */
CASE(accepted_late_by_another_user, tiny)
{
	struct sockaddr_storage address;
	int listener, fd;
	pid_t child;

	if (geteuid() != 0)
		kit_skip("only root may become another user");
	listener = kit_listen(AF_INET, &address);
	MUST(pipe(may_accept));
	child = kit_fork(accept_as_nobody, &listener);
	fd = kit_connect(&address);
	for (int i = 0; i < EARLY; i++)
		PUT(fd, "x");
	MUST(write(may_accept[1], "", 1));
	kit_promote_active(fd);
	MUST(close(fd));
	CHECK_EXITS(child, 0);
	MUST(close(listener));
}
