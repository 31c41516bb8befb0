/* The stream: every byte arrives once, in order, whatever the sizes, the calls and who holds the ends. */
#include "kit.h"

#include <linux/seccomp.h>
#include <sys/syscall.h>

#define SEED_THERE (kit_seed())
#define SEED_BACK (kit_seed() ^ 0x5555)

/* Sizes from one byte to LIMIT, small ones often. */
static size_t random_size(uint64_t *state, size_t limit)
{
	size_t scale = (size_t)1 << kit_random_below(state, 18);

	if (scale > limit)
		scale = limit;
	return 1 + kit_random_below(state, scale);
}

struct half {
	int fd;
	uint64_t seed, total, done, random;
	size_t limit;
};

static void *write_half(void *argument)
{
	struct half *half = argument;
	char *buffer = malloc(half->limit);

	while (half->done < half->total) {
		size_t size = random_size(&half->random, half->limit);
		if (size > half->total - half->done)
			size = half->total - half->done;
		kit_pattern(buffer, size, half->seed, half->done);
		kit_put(half->fd, buffer, size);
		half->done += size;
	}
	free(buffer);
	return NULL;
}

static void *read_half(void *argument)
{
	struct half *half = argument;
	char *buffer = malloc(half->limit);

	while (half->done < half->total) {
		size_t size = random_size(&half->random, half->limit);
		ssize_t got = MUST(recv(half->fd, buffer, size, 0));
		CHECK(got > 0 && (size_t)got <= size);
		CHECK_PATTERN(buffer, (size_t)got, half->seed, half->done);
		half->done += (uint64_t)got;
	}
	CHECK_EQ(half->done, half->total);
	free(buffer);
	return NULL;
}

/* Both directions at once from one end: a writing thread beside the reading one. */
static void duplex(int fd, uint64_t out_seed, uint64_t in_seed, uint64_t total)
{
	struct half out = {.fd = fd, .seed = out_seed, .total = total, .random = out_seed, .limit = 128 * KIB};
	struct half in = {.fd = fd, .seed = in_seed, .total = total, .random = ~in_seed, .limit = 128 * KIB};
	struct thread writer;

	thread_start(&writer, write_half, &out);
	read_half(&in);
	thread_join(&writer);
}

PEER(duplex_peer)
{
	duplex(fd, SEED_BACK, SEED_THERE, (uint64_t)argument);
}

/* Whether shared memory carried any of it. */
static bool duplex_with(struct peer peer, uint64_t total)
{
	struct rdma_carrier carrier = {0};
	bool known;

	peer.run = &duplex_peer;
	peer.argument = (long)total;
	int fd = peer_start(&peer);

	duplex(fd, SEED_THERE, SEED_BACK, total);
	/* What is unread at its close comes by TCP. */
	if (!peer.fresh)
		CHECK_CARRIED(fd, total, total > 8 * MIB ? total / 2 : 0);
	known = kit_carrier(fd, &carrier);
	CHECK_EOF(fd);
	peer_join(&peer);
	MUST(close(fd));
	return known && carrier.shm_send_bytes + carrier.shm_recv_bytes > 0;
}

CASE(random_sizes_two_threads, tiny, tcp)
{
	duplex_with((struct peer){.party = PARTY_THREAD}, 2 * MIB);
}

CASE(random_sizes_two_processes, tiny, tcp)
{
	duplex_with((struct peer){.party = PARTY_PROCESS}, 2 * MIB);
}

CASE(random_sizes_two_processes_long)
{
	duplex_with((struct peer){.party = PARTY_PROCESS}, 64 * MIB);
}

CASE(random_sizes_parent_and_child, tiny)
{
	duplex_with((struct peer){.party = PARTY_CHILD}, 2 * MIB);
}

CASE(random_sizes_two_programs, tiny)
{
	duplex_with((struct peer){.party = PARTY_PROGRAM, .listens = true}, 2 * MIB);
}

CASE(random_sizes_ipv6, tiny)
{
	duplex_with((struct peer){.party = PARTY_PROCESS, .family = AF_INET6}, 2 * MIB);
}

CASE(random_sizes_from_the_first_byte, tiny, tcp)
{
	/* On a fast machine 8 MiB may be through before the ends have met. */
	for (int i = 0; i < 6; i++)
		if (duplex_with((struct peer){.party = PARTY_PROCESS, .fresh = true}, 8 * MIB << i / 2))
			return;
	CHECK(kit_expect() != EXPECT_SHM);
}

/* One thread is both ends and never blocks: sends what fits, receives what came, either way, at random. */
CASE(random_sizes_one_thread, tiny, tcp)
{
	struct pair pair = PAIR;
	struct half halves[4];
	static char buffer[128 * KIB];
	uint64_t random = kit_seed(), total = MIB;

	for (int i = 0; i < 4; i++)
		halves[i] = (struct half){.fd = i == 0 || i == 3 ? pair.a : pair.b,
					  .seed = i < 2 ? SEED_THERE : SEED_BACK,
					  .total = total};
	while (halves[1].done < total || halves[3].done < total) {
		size_t which = kit_random_below(&random, 4), size = random_size(&random, sizeof(buffer));
		struct half *half = &halves[which];
		ssize_t moved;
		if (which % 2 == 0) {
			if (size > half->total - half->done)
				size = half->total - half->done;
			if (!size)
				continue;
			kit_pattern(buffer, size, half->seed, half->done);
			moved = send(half->fd, buffer, size, MSG_DONTWAIT);
		} else {
			moved = recv(half->fd, buffer, size, MSG_DONTWAIT);
			if (moved > 0)
				CHECK_PATTERN(buffer, (size_t)moved, half->seed, half->done);
		}
		if (moved == -1)
			CHECK_EQ(errno, EAGAIN);
		else
			half->done += (uint64_t)moved;
		CHECK(moved != 0);
	}
	CHECK_CARRIED(pair.a, total, total);
	pair_close(&pair);
}

/* One way of writing chosen at random: at most SIZE bytes, returns how many. */
static ssize_t write_somehow(int fd, char *buffer, size_t size, uint64_t *random)
{
	size_t first = size / 3, second = size / 2 - size / 3;
	struct iovec parts[3] = {
		{buffer, first}, {buffer + first, second}, {buffer + first + second, size - first - second}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
	struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = parts, .msg_iovlen = 2}},
				      {.msg_hdr = {.msg_iov = parts + 2, .msg_iovlen = 1}}};

	switch (kit_random_below(random, 7)) {
	case 0:
		return write(fd, buffer, size);
	case 1:
		return send(fd, buffer, size, MSG_NOSIGNAL);
	case 2:
		return sendto(fd, buffer, size, 0, NULL, 0);
	case 3:
		return writev(fd, parts, 3);
	case 4:
		return sendmsg(fd, &message, 0);
	case 5:
		return pwritev2(fd, parts, 3, -1, 0);
	default: {
		int sent = sendmmsg(fd, messages, 2, 0);
		return sent == -1 ? -1 : (ssize_t)(messages[0].msg_len + (sent == 2 ? messages[1].msg_len : 0));
	}
	}
}

static ssize_t read_somehow(int fd, char *buffer, size_t size, uint64_t *random)
{
	size_t first = size / 3, second = size / 2 - size / 3;
	struct iovec parts[3] = {
		{buffer, first}, {buffer + first, second}, {buffer + first + second, size - first - second}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
	struct mmsghdr messages[1] = {{.msg_hdr = {.msg_iov = parts, .msg_iovlen = 3}}};

	switch (kit_random_below(random, 7)) {
	case 0:
		return read(fd, buffer, size);
	case 1:
		return recv(fd, buffer, size, 0);
	case 2:
		return recvfrom(fd, buffer, size, 0, NULL, NULL);
	case 3:
		return readv(fd, parts, 3);
	case 4:
		return recvmsg(fd, &message, 0);
	case 5:
		return preadv2(fd, parts, 3, -1, 0);
	default:
		return recvmmsg(fd, messages, 1, 0, NULL) == 1 ? (ssize_t)messages[0].msg_len : -1;
	}
}

PEER(mixed_writer)
{
	static char buffer[16 * KIB];
	uint64_t random = kit_seed(), total = (uint64_t)argument;

	for (uint64_t at = 0; at < total;) {
		size_t size = 3 + kit_random_below(&random, sizeof(buffer) - 3);
		if (size > total - at)
			size = total - at;
		kit_pattern(buffer, size, SEED_THERE, at);
		at += (uint64_t)MUST(write_somehow(fd, buffer, size, &random));
	}
}

CASE(every_call_keeps_the_order, tiny, tcp)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &mixed_writer, .argument = MIB};
	int fd = peer_start(&peer);
	static char buffer[16 * KIB];
	uint64_t random = ~kit_seed(), at = 0;

	for (;;) {
		ssize_t got =
			MUST(read_somehow(fd, buffer, 3 + kit_random_below(&random, sizeof(buffer) - 3), &random));
		if (got == 0)
			break;
		CHECK_PATTERN(buffer, (size_t)got, SEED_THERE, at);
		at += (uint64_t)got;
	}
	CHECK_EQ(at, MIB);
	peer_join(&peer);
	MUST(close(fd));
}

PEER(echo_bytes)
{
	char buffer[64];
	ssize_t got;

	while ((got = MUST(recv(fd, buffer, sizeof(buffer), 0))) > 0)
		kit_put(fd, buffer, (size_t)got);
}

static void ping_pong(enum party party, int rounds)
{
	struct peer peer = {.party = party, .run = &echo_bytes};
	int fd = peer_start(&peer);

	for (int round = 0; round < rounds; round++) {
		char out[64], in[64];
		size_t size = 1 + (size_t)round % sizeof(out);
		kit_pattern(out, size, kit_seed(), (uint64_t)round * 64);
		kit_put(fd, out, size);
		kit_get(fd, in, size);
		CHECK_PATTERN(in, size, kit_seed(), (uint64_t)round * 64);
	}
	CHECK_CARRIED(fd, (uint64_t)rounds, (uint64_t)rounds);
	MUST(shutdown(fd, SHUT_WR));
	CHECK_EOF(fd);
	peer_join(&peer);
	MUST(close(fd));
}

CASE(ping_pong_two_threads, tiny, tcp)
{
	ping_pong(PARTY_THREAD, 10000);
}

CASE(ping_pong_two_processes, tiny, tcp)
{
	ping_pong(PARTY_PROCESS, 10000);
}

CASE(ping_pong_parent_and_child, tiny)
{
	ping_pong(PARTY_CHILD, 10000);
}

PEER(send_bulk)
{
	kit_send_pattern(fd, (size_t)argument, SEED_THERE, 0);
}

CASE(bulk_one_way)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &send_bulk, .argument = 256 * MIB};
	int fd = peer_start(&peer);

	CHECK_EQ(kit_drain_pattern(fd, SEED_THERE, 0), 256 * MIB);
	peer_join(&peer);
	MUST(close(fd));
}

PEER(send_one_by_one)
{
	for (long at = 0; at < argument; at++) {
		char byte;
		kit_pattern(&byte, 1, SEED_THERE, (uint64_t)at);
		CHECK_EQ(write(fd, &byte, 1), 1);
	}
}

CASE(single_bytes_arrive_in_order, tiny)
{
	struct peer peer = {.party = PARTY_PROCESS, .run = &send_one_by_one, .argument = 20000};
	int fd = peer_start(&peer);

	CHECK_EQ(kit_drain_pattern(fd, SEED_THERE, 0), 20000);
	peer_join(&peer);
	MUST(close(fd));
}

/* TCP's own buffers take this much from a blocking writer while nobody reads. */
static void both_write_first(size_t size)
{
	struct pair pair = PAIR;

	kit_send_pattern(pair.a, size, SEED_THERE, 0);
	kit_send_pattern(pair.b, size, SEED_BACK, 0);
	kit_recv_pattern(pair.a, size, SEED_BACK, 0);
	kit_recv_pattern(pair.b, size, SEED_THERE, 0);
	CHECK_CARRIED(pair.a, size, size);
	pair_close(&pair);
}

CASE(both_write_1_mib_before_either_reads)
{
	both_write_first(MIB);
}

CASE(both_write_3_mib_before_either_reads)
{
	both_write_first(3 * MIB);
}

CASE(both_write_1_mib_in_one_call_before_either_reads)
{
	struct pair pair = PAIR;
	char *out = malloc(MIB);

	kit_pattern(out, MIB, SEED_THERE, 0);
	CHECK_EQ(MUST(write(pair.a, out, MIB)), MIB);
	CHECK_EQ(MUST(write(pair.b, out, MIB)), MIB);
	kit_recv_pattern(pair.a, MIB, SEED_THERE, 0);
	kit_recv_pattern(pair.b, MIB, SEED_THERE, 0);
	free(out);
	pair_close(&pair);
}

/* A reader takes at most what it asked for, and what it left stays for the next. */
CASE(short_reads_leave_the_rest, tiny, tcp)
{
	struct pair pair = PAIR;
	char byte[3];

	PUT(pair.a, "abcdefg");
	kit_await(pair.b, POLLIN);
	CHECK_EQ(recv(pair.b, byte, 3, MSG_WAITALL), 3);
	CHECK_EQ(memcmp(byte, "abc", 3), 0);
	CHECK_GETS(pair.b, "defg");
	CHECK_FAILS(recv(pair.b, byte, 1, MSG_DONTWAIT), EAGAIN);
	pair_close(&pair);
}

CASE(a_read_may_span_many_writes, tiny, tcp)
{
	struct pair pair = PAIR;
	char buffer[100];

	for (int i = 0; i < 50; i++)
		PUT(pair.a, "xy");
	CHECK_EQ(recv(pair.b, buffer, sizeof(buffer), MSG_WAITALL), 100);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(buffer[i], i % 2 ? 'y' : 'x');
	pair_close(&pair);
}

CASE(zero_length_calls, tiny, tcp)
{
	struct pair pair = PAIR;
	char byte;

	CHECK_EQ(send(pair.a, "", 0, 0), 0);
	CHECK_EQ(write(pair.a, "", 0), 0);
	CHECK_EQ(read(pair.b, &byte, 0), 0);
	CHECK_FAILS(recv(pair.b, &byte, 0, MSG_DONTWAIT), EAGAIN);
	CHECK_SILENT(pair.b);
	PUT(pair.a, "z");
	kit_await(pair.b, POLLIN);
	CHECK_EQ(recv(pair.b, &byte, 0, 0), 0);
	CHECK_EQ(read(pair.b, &byte, 0), 0);
	CHECK_GETS(pair.b, "z");
	pair_close(&pair);
}

/* Many rounds of filling and draining: positions wrap around the ring again and again. */
CASE(fill_and_drain_repeatedly, tiny)
{
	struct pair pair = PAIR;
	uint64_t at = 0;

	for (int round = 0; round < 6; round++) {
		uint64_t filled = kit_fill(pair.a, SEED_THERE, at);
		CHECK(filled >= 1);
		kit_recv_pattern(pair.b, filled, SEED_THERE, at);
		at += filled;
	}
	pair_close(&pair);
}

static void forbid_transfers(void)
{
	static const long transfers[] = {SYS_sendto,  SYS_sendmsg,  SYS_sendmmsg, SYS_recvfrom,
					 SYS_recvmsg, SYS_recvmmsg, SYS_ppoll};
	static const long others[] = {SYS_ioctl, SYS_setsockopt, SYS_getsockopt}; /* a close asks, too */

	for (size_t i = 0; i < sizeof(transfers) / sizeof(*transfers); i++)
		kit_forbid(transfers[i], SECCOMP_RET_KILL_PROCESS);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		kit_forbid(others[i], SECCOMP_RET_ERRNO | EPERM);
}

/* Whichever call moves them. */
CASE(moving_bytes_costs_no_system_call, ours)
{
	struct pair pair = PAIR;
	struct sockaddr_storage address = {.ss_family = AF_INET};
	socklen_t length = sizeof(address);
	char byte = 'x';
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_name = &address, .msg_namelen = sizeof(address), .msg_iov = &iov, .msg_iovlen = 1};
	struct mmsghdr many = {.msg_hdr = msg};
	int on = 1, waiting = 0;

	forbid_transfers();
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(write(pair.a, &byte, 1), 1);
		CHECK_EQ(read(pair.b, &byte, 1), 1);
		CHECK_EQ(send(pair.a, &byte, 1, MSG_NOSIGNAL), 1);
		CHECK_EQ(recv(pair.b, &byte, 1, MSG_DONTWAIT), 1);
		CHECK_EQ(sendto(pair.a, &byte, 1, 0, (struct sockaddr *)&address, sizeof(address)), 1);
		CHECK_EQ(recvfrom(pair.b, &byte, 1, 0, (struct sockaddr *)&address, &length), 1);
		length = sizeof(address);
		CHECK_EQ(sendmsg(pair.a, &msg, MSG_MORE), 1);
		CHECK_EQ(recvmsg(pair.b, &msg, MSG_WAITALL), 1);
		msg.msg_namelen = sizeof(address);
		CHECK_EQ(writev(pair.a, &iov, 1), 1);
		CHECK_EQ(readv(pair.b, &iov, 1), 1);
		CHECK_EQ(sendmmsg(pair.a, &many, 1, 0), 1);
		CHECK_EQ(ioctl(pair.b, FIONREAD, &waiting), 0);
		CHECK_EQ(waiting, 1);
		CHECK_EQ(recvmmsg(pair.b, &many, 1, 0, NULL), 1);
		many.msg_hdr.msg_namelen = sizeof(address);
		/* Around each answer of web servers. */
		MUST(setsockopt(pair.a, IPPROTO_TCP, TCP_CORK, &on, sizeof(on)));
		on = !on;
	}
	pair_close(&pair);
}

/* Of an end, TCP is asked now and then. */
CASE(asking_for_bytes_that_are_there_costs_no_system_call, ours)
{
	struct pair pair = PAIR;
	int free_polls = 0;

	kit_forbid(SYS_ppoll, SECCOMP_RET_ERRNO | EPERM);
	for (int i = 0; i < 1000 && free_polls < 10; i++) {
		struct pollfd wait[2] = {{.fd = pair.b, .events = POLLIN}, {.fd = -1}};
		char byte;

		PUT(pair.a, "x");
		if (poll(wait, 2, 1000) == 1) {
			CHECK_EQ(wait[0].revents, POLLIN);
			CHECK_EQ(recv(pair.b, &byte, 1, MSG_DONTWAIT), 1);
			free_polls += poll(wait, 1, 0) == 0;
		} else {
			CHECK_EQ(errno, EPERM);
			CHECK_EQ(recv(pair.b, &byte, 1, MSG_DONTWAIT), 1);
		}
	}
	CHECK_EQ(free_polls, 10);
	pair_close(&pair);
}
