/* Non-blocking connections: filling up, writing what fits, being told when there is room again. */
#include "kit.h"

CASE(fills_up_and_drains, tiny, tcp)
{
	struct pair pair = PAIR;
	uint64_t at = 0;

	kit_set_nonblocking(pair.a, true);
	for (int round = 0; round < 4; round++) {
		uint64_t filled = kit_fill(pair.a, kit_seed(), at);
		CHECK(filled > 0);
		CHECK_FAILS(write(pair.a, "x", 1), EAGAIN);
		CHECK(!(kit_revents(pair.a) & POLLOUT));
		kit_recv_pattern(pair.b, filled, kit_seed(), at);
		CHECK(kit_await(pair.a, POLLOUT) & POLLOUT);
		at += filled;
	}
	PUT(pair.a, "goes on");
	CHECK_GETS(pair.b, "goes on");
	pair_close(&pair);
}

CASE(large_write_is_partial, tiny, tcp)
{
	struct pair pair = PAIR;
	size_t size = 64 * MIB;
	char *out = malloc(size);
	ssize_t sent;

	kit_pattern(out, size, kit_seed(), 0);
	kit_set_nonblocking(pair.a, true);
	sent = MUST(write(pair.a, out, size));
	CHECK(sent > 0 && (size_t)sent < size);
	MUST(shutdown(pair.a, SHUT_WR));
	CHECK_EQ(kit_drain_pattern(pair.b, kit_seed(), 0), sent);
	free(out);
	pair_close(&pair);
}

/* POLLOUT promises room for at least one byte. */
CASE(pollout_means_room, tiny, tcp)
{
	struct pair pair = PAIR;
	uint64_t at = kit_fill(pair.a, kit_seed(), 0), read = 0;

	kit_set_nonblocking(pair.a, true);
	for (int i = 0; i < 200 && read < at; i++) {
		size_t part = at - read < 1000 ? (size_t)(at - read) : 1000;
		kit_recv_pattern(pair.b, part, kit_seed(), read);
		read += part;
		if (poll(&(struct pollfd){.fd = pair.a, .events = POLLOUT}, 1, 0) == 1) {
			char byte;
			kit_pattern(&byte, 1, kit_seed(), at);
			CHECK_EQ(send(pair.a, &byte, 1, 0), 1);
			at++;
		}
	}
	kit_recv_pattern(pair.b, at - read, kit_seed(), read);
	pair_close(&pair);
}

PEER(read_slowly)
{
	char buffer[30000];
	uint64_t at = 0;

	for (ssize_t got; (got = MUST(recv(fd, buffer, sizeof(buffer), 0))) > 0; at += (uint64_t)got) {
		CHECK_PATTERN(buffer, (size_t)got, kit_seed(), at);
		if (at % 7 == 0)
			usleep(100);
	}
	CHECK_EQ(at, (uint64_t)argument);
	PUT(fd, "all");
}

static void write_when_writable(uint32_t flags)
{
	size_t size = 4 * MIB;
	struct peer peer = {.party = PARTY_PROCESS, .run = &read_slowly, .argument = (long)size};
	int fd = peer_start(&peer), set = (int)MUST(epoll_create1(0));
	struct epoll_event event = {.events = EPOLLOUT | flags};
	char *out = malloc(size);

	kit_pattern(out, size, kit_seed(), 0);
	kit_set_nonblocking(fd, true);
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	for (size_t at = 0; at < size;) {
		CHECK_EQ(MUST(epoll_wait(set, &event, 1, 5000)), 1);
		ssize_t sent;
		while (at < size && (sent = write(fd, out + at, size - at)) > 0)
			at += (size_t)sent;
		if (at < size)
			CHECK(sent == -1 && errno == EAGAIN);
	}
	kit_set_nonblocking(fd, false);
	MUST(shutdown(fd, SHUT_WR));
	CHECK_GETS(fd, "all");
	free(out);
	peer_join(&peer);
	MUST(close(fd));
}

CASE(writer_on_level_events, tiny, tcp)
{
	write_when_writable(0);
}

CASE(writer_on_edges, tiny, tcp)
{
	write_when_writable(EPOLLET);
}

/* One thread, one loop, many connections, all non-blocking: the usual event-driven echo server and its clients. */
CASE(event_loop_of_many_connections, tiny, tcp)
{
	enum { COUNT = 20, ROUNDS = 100 };
	struct pair pairs[COUNT];
	int set = (int)MUST(epoll_create1(0)), done = 0, rounds[COUNT] = {0};

	for (int i = 0; i < COUNT; i++) {
		pairs[i] = pair_new(AF_INET);
		for (int end = 0; end < 2; end++) {
			int fd = end ? pairs[i].b : pairs[i].a;
			struct epoll_event event = {.events = EPOLLIN | EPOLLET,
						    .data.u64 = (uint64_t)i << 1 | (uint64_t)end};
			kit_set_nonblocking(fd, true);
			MUST(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
		}
		PUT(pairs[i].a, "m");
	}
	while (done < COUNT) {
		struct epoll_event events[7];
		int ready = (int)MUST(epoll_wait(set, events, 7, 5000));
		CHECK(ready > 0);
		for (int k = 0; k < ready; k++) {
			size_t i = events[k].data.u64 >> 1;
			bool server = events[k].data.u64 & 1;
			char byte;
			while (recv(server ? pairs[i].b : pairs[i].a, &byte, 1, 0) == 1) {
				if (!server && ++rounds[i] == ROUNDS)
					done++;
				else
					PUT(server ? pairs[i].b : pairs[i].a, "m");
			}
			CHECK_EQ(errno, EAGAIN);
		}
	}
	for (int i = 0; i < COUNT; i++) {
		CHECK_CARRIED(pairs[i].a, 1, 1);
		pair_close(&pairs[i]);
	}
	MUST(close(set));
}
