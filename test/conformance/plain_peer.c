/* One end without the preload: everything is as on TCP, because it is TCP. */
#include "kit.h"

PEER(echo)
{
	char buffer[4096];
	ssize_t got;

	kit_promote_passive(fd);
	while ((got = MUST(recv(fd, buffer, sizeof(buffer), 0))) > 0)
		kit_put(fd, buffer, (size_t)got);
}

/* The rounds in which promotion would happen, then that it did not. */
static int start(struct peer *peer, struct peer_entry *run, bool listens, int family)
{
	*peer = (struct peer){.party = PARTY_PLAIN, .run = run, .listens = listens, .family = family, .fresh = true};
	int fd = peer_start(peer);

	kit_stay_active(fd, 100);
	return fd;
}

static void echo_with(bool listens, int family)
{
	struct peer peer;
	int fd = start(&peer, &echo, listens, family);

	for (uint64_t at = 0; at < 200000; at += 1000) {
		kit_send_pattern(fd, 1000, kit_seed(), at);
		kit_recv_pattern(fd, 1000, kit_seed(), at);
	}
	MUST(shutdown(fd, SHUT_WR));
	CHECK_EOF(fd);
	peer_join(&peer);
	MUST(close(fd));
}

CASE(plain_client, tcp)
{
	echo_with(false, AF_INET);
}

CASE(plain_server, tcp)
{
	echo_with(true, AF_INET);
}

CASE(plain_client_ipv6)
{
	echo_with(false, AF_INET6);
}

CASE(plain_server_ipv6)
{
	echo_with(true, AF_INET6);
}

PEER(bulk)
{
	kit_promote_passive(fd);
	kit_send_pattern(fd, (size_t)argument, kit_seed(), 0);
	MUST(shutdown(fd, SHUT_WR));
	CHECK_EQ(kit_drain_pattern(fd, kit_seed(), 0), (uint64_t)argument);
}

CASE(bulk_both_ways)
{
	size_t size = 16 * MIB;
	struct peer peer = {.party = PARTY_PLAIN, .run = &bulk, .argument = (long)size, .fresh = true};
	int fd = peer_start(&peer);

	kit_stay_active(fd, 100);
	CHECK_EQ(kit_drain_pattern(fd, kit_seed(), 0), size);
	kit_send_pattern(fd, size, kit_seed(), 0);
	MUST(shutdown(fd, SHUT_WR));
	peer_join(&peer);
	MUST(close(fd));
}

PEER(reset)
{
	struct linger now = {1, 0};

	kit_promote_passive(fd);
	PUT(fd, "bye");
	kit_sleep_ms(50);
	MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
}

CASE(reset_by_a_plain_peer)
{
	struct peer peer;
	int fd = start(&peer, &reset, false, AF_INET);

	CHECK_GETS(fd, "bye");
	CHECK_FAILS(recv(fd, &(char){0}, 1, 0), ECONNRESET);
	peer_join(&peer);
	MUST(close(fd));
}

PEER(expect_reset)
{
	kit_promote_passive(fd);
	CHECK_FAILS(recv(fd, &(char){0}, 1, 0), ECONNRESET);
}

CASE(reset_of_a_plain_peer)
{
	struct peer peer;
	struct linger now = {1, 0};
	int fd = start(&peer, &expect_reset, true, AF_INET);

	kit_await_delivered(fd);
	MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	MUST(close(fd));
	peer_join(&peer);
}

PEER(edges)
{
	int set = (int)MUST(epoll_create1(0));
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};

	kit_promote_passive(fd);
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(MUST(epoll_wait(set, &event, 1, 5000)), 1);
		CHECK_GETS(fd, "x");
		PUT(fd, "y");
	}
}

CASE(edges_at_both_ends)
{
	struct peer peer;
	int fd = start(&peer, &edges, false, AF_INET), set = (int)MUST(epoll_create1(0));
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};

	MUST(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	for (int i = 0; i < 100; i++) {
		PUT(fd, "x");
		CHECK_EQ(MUST(epoll_wait(set, &event, 1, 5000)), 1);
		CHECK_GETS(fd, "y");
		if (i < 99) /* after the last one the peer closes, which is an edge too */
			CHECK_EQ(MUST(epoll_wait(set, &event, 1, 0)), 0);
	}
	peer_join(&peer);
	MUST(close(fd));
}

/* A plain and a promoted connection side by side in every kind of wait. */
CASE(plain_and_promoted_in_one_wait)
{
	struct peer plain;
	int fd = start(&plain, &echo, false, AF_INET), set = (int)MUST(epoll_create1(0));
	struct pair pair = PAIR;
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = 1};

	MUST(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	event.data.u64 = 2;
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, pair.b, &event));
	for (int i = 0; i < 200; i++) {
		struct pollfd entries[2] = {{.fd = fd, .events = POLLIN}, {.fd = pair.b, .events = POLLIN}};
		bool promoted = i % 2;
		PUT(promoted ? pair.a : fd, "x");
		CHECK_EQ(MUST(epoll_wait(set, &event, 1, 5000)), 1);
		CHECK_EQ(event.data.u64, promoted ? 2 : 1);
		CHECK_EQ(poll(entries, 2, 5000), 1);
		CHECK_EQ(entries[promoted].revents, POLLIN);
		CHECK_GETS(promoted ? pair.b : fd, "x");
	}
	MUST(shutdown(fd, SHUT_WR));
	peer_join(&plain);
	MUST(close(fd));
	pair_close(&pair);
}

CASE(killed_plain_peer)
{
	struct peer peer;
	int fd = start(&peer, &echo, false, AF_INET);

	PUT(fd, "x");
	CHECK_GETS(fd, "x");
	MUST(kill(peer.pid, SIGKILL));
	CHECK_EOF(fd);
	kit_wait_killed(peer.pid, SIGKILL);
	MUST(close(fd));
}
