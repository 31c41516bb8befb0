/* Making connections, and what sockets say of themselves. */
#include "kit.h"

#include <arpa/inet.h>

/* A listener on a loopback address of this process alone, so that nobody else takes its ports meanwhile. */
static int listen_apart(struct sockaddr_storage *address)
{
	struct sockaddr_in bound = {.sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(0x7f000001u + ((unsigned)getpid() & 0xffffu) * 256)};
	socklen_t length = sizeof(bound);
	int fd = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));

	MUST(bind(fd, (struct sockaddr *)&bound, sizeof(bound)));
	MUST(listen(fd, 16));
	MUST(getsockname(fd, (struct sockaddr *)&bound, &length));
	memset(address, 0, sizeof(*address));
	memcpy(address, &bound, sizeof(bound));
	return fd;
}

/* An address where nobody listens. */
static struct sockaddr_storage unused_address(void)
{
	struct sockaddr_storage address;

	MUST(close(listen_apart(&address)));
	return address;
}

CASE(names_of_both_ends, tiny, tcp)
{
	struct pair pair = PAIR;
	struct sockaddr_in a, b, peer;
	socklen_t length = sizeof(a);

	MUST(getsockname(pair.a, (struct sockaddr *)&a, &length));
	CHECK_EQ(length, sizeof(a));
	MUST(getsockname(pair.b, (struct sockaddr *)&b, &length));
	MUST(getpeername(pair.a, (struct sockaddr *)&peer, &length));
	CHECK(peer.sin_port == b.sin_port && peer.sin_addr.s_addr == b.sin_addr.s_addr);
	MUST(getpeername(pair.b, (struct sockaddr *)&peer, &length));
	CHECK(peer.sin_port == a.sin_port && peer.sin_addr.s_addr == a.sin_addr.s_addr);
	MUST(shutdown(pair.a, SHUT_WR));
	MUST(shutdown(pair.b, SHUT_WR));
	CHECK_EOF(pair.a);
	kit_sleep_ms(20);
	CHECK_FAILS(getpeername(pair.b, (struct sockaddr *)&peer, &length), ENOTCONN);
	pair_close(&pair);
}

CASE(accept_tells_the_address, tiny)
{
	struct sockaddr_storage address;
	struct sockaddr_in from, local;
	socklen_t length = sizeof(from);
	int listener = kit_listen(AF_INET, &address), a = kit_connect(&address);
	int b = (int)MUST(accept(listener, (struct sockaddr *)&from, &length));

	CHECK_EQ(length, sizeof(from));
	MUST(getsockname(a, (struct sockaddr *)&local, &length));
	CHECK_EQ(from.sin_port, local.sin_port);
	kit_promote(a, b);
	MUST(close(a));
	MUST(close(b));
	MUST(close(listener));
}

CASE(what_getsockopt_says, tiny, tcp)
{
	struct pair pair = PAIR;

	CHECK_EQ(kit_get_option(pair.a, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	CHECK_EQ(kit_get_option(pair.a, SOL_SOCKET, SO_DOMAIN), AF_INET);
	CHECK_EQ(kit_get_option(pair.a, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
	CHECK_EQ(kit_get_option(pair.a, SOL_SOCKET, SO_ERROR), 0);
	CHECK_EQ(kit_get_option(pair.a, SOL_SOCKET, SO_ACCEPTCONN), 0);
	kit_set_option(pair.a, IPPROTO_TCP, TCP_NODELAY, 1);
	CHECK_EQ(kit_get_option(pair.a, IPPROTO_TCP, TCP_NODELAY), 1);
	kit_set_option(pair.a, SOL_SOCKET, SO_KEEPALIVE, 1);
	CHECK_EQ(kit_get_option(pair.a, SOL_SOCKET, SO_KEEPALIVE), 1);
	kit_set_option(pair.a, SOL_SOCKET, SO_RCVBUF, 50000);
	CHECK_EQ(kit_get_option(pair.a, SOL_SOCKET, SO_RCVBUF), 100000);
	PUT(pair.a, "x");
	CHECK_GETS(pair.b, "x");
	pair_close(&pair);
}

CASE(tcp_info_says_established, tiny)
{
	struct pair pair = PAIR;
	struct tcp_info info;
	socklen_t length = sizeof(info);

	MUST(getsockopt(pair.a, IPPROTO_TCP, TCP_INFO, &info, &length));
	CHECK_EQ(info.tcpi_state, TCP_ESTABLISHED);
	MUST(shutdown(pair.a, SHUT_WR));
	CHECK_EOF(pair.b);
	length = sizeof(info);
	MUST(getsockopt(pair.b, IPPROTO_TCP, TCP_INFO, &info, &length));
	CHECK_EQ(info.tcpi_state, TCP_CLOSE_WAIT);
	pair_close(&pair);
}

CASE(unknown_options, tiny)
{
	struct pair pair = PAIR;
	int value = 1;
	socklen_t length = sizeof(value);

	CHECK_FAILS(getsockopt(pair.a, SOL_SOCKET, 9999, &value, &length), ENOPROTOOPT);
	CHECK_FAILS(setsockopt(pair.a, SOL_SOCKET, 9999, &value, sizeof(value)), ENOPROTOOPT);
	CHECK_FAILS(setsockopt(pair.a, SOL_SOCKET, SO_KEEPALIVE, &value, 1), EINVAL);
	CHECK_FAILS(getsockopt(9999, SOL_SOCKET, SO_TYPE, &value, &length), EBADF);
	pair_close(&pair);
}

CASE(connect_to_a_refusing_port, tcp)
{
	struct sockaddr_storage address = unused_address();
	int fd = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));

	CHECK_FAILS(connect(fd, (struct sockaddr *)&address, sizeof(struct sockaddr_in)), ECONNREFUSED);
	CHECK_EQ(kit_get_option(fd, SOL_SOCKET, SO_ERROR), 0);
	CHECK_FAILS(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_FAILS(recv(fd, &(char){0}, 1, 0), ENOTCONN);
	MUST(close(fd));
}

CASE(nonblocking_connect_refused, tcp)
{
	struct sockaddr_storage address = unused_address();
	int fd = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));

	CHECK_FAILS(connect(fd, (struct sockaddr *)&address, sizeof(struct sockaddr_in)), EINPROGRESS);
	kit_await(fd, POLLERR);
	CHECK_REVENTS(fd, POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	CHECK_EQ(kit_get_option(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	CHECK_EQ(kit_get_option(fd, SOL_SOCKET, SO_ERROR), 0);
	MUST(close(fd));
}

CASE(nonblocking_connect_succeeds, tiny, tcp)
{
	struct sockaddr_storage address;
	int listener = kit_listen(AF_INET, &address), set = (int)MUST(epoll_create1(0)), a, b;
	struct epoll_event event = {.events = EPOLLOUT | EPOLLIN | EPOLLET};

	a = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, a, &event));
	if (connect(a, (struct sockaddr *)&address, sizeof(struct sockaddr_in)) == -1)
		CHECK_EQ(errno, EINPROGRESS);
	do
		CHECK_EQ(MUST(epoll_wait(set, &event, 1, 5000)), 1);
	while (event.events & EPOLLHUP); /* an edge of the time before connect */
	CHECK_EQ(event.events, EPOLLOUT);
	CHECK_EQ(kit_get_option(a, SOL_SOCKET, SO_ERROR), 0);
	CHECK_FAILS(connect(a, (struct sockaddr *)&address, sizeof(struct sockaddr_in)) == 0
			    ? connect(a, (struct sockaddr *)&address, sizeof(struct sockaddr_in))
			    : -1,
		    EISCONN);
	b = (int)MUST(accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
	CHECK(MUST(fcntl(b, F_GETFL)) & O_NONBLOCK);
	CHECK_EQ(MUST(fcntl(b, F_GETFD)), FD_CLOEXEC);
	kit_promote(a, b);
	while (MUST(epoll_wait(set, &event, 1, 0)) == 1)
		;
	PUT(b, "x");
	CHECK_EQ(MUST(epoll_wait(set, &event, 1, 5000)), 1);
	CHECK_EQ(event.events, EPOLLIN | EPOLLOUT);
	MUST(close(a));
	MUST(close(b));
}

CASE(unconnected_socket, tcp)
{
	int fd = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));

	CHECK_REVENTS(fd, POLLOUT | POLLHUP);
	CHECK_FAILS(recv(fd, &(char){0}, 1, 0), ENOTCONN);
	CHECK_FAILS(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_FAILS(shutdown(fd, SHUT_WR), ENOTCONN);
	CHECK_FAILS(accept(fd, NULL, NULL), EINVAL);
	MUST(close(fd));
}

CASE(listening_socket, tcp)
{
	struct sockaddr_storage address;
	int listener = kit_listen(AF_INET, &address), a;

	CHECK_REVENTS(listener, 0);
	CHECK_EQ(kit_get_option(listener, SOL_SOCKET, SO_ACCEPTCONN), 1);
	CHECK_FAILS(recv(listener, &(char){0}, 1, 0), ENOTCONN);
	kit_set_nonblocking(listener, true);
	CHECK_FAILS(accept(listener, NULL, NULL), EAGAIN);
	a = kit_connect(&address);
	CHECK(kit_await(listener, POLLIN) & POLLIN);
	MUST(close(MUST(accept(listener, NULL, NULL))));
	MUST(close(a));
	MUST(close(listener));
}

/* Bytes that were sent before the other end accepted. */
CASE(data_before_accept, tiny, tcp)
{
	struct sockaddr_storage address;
	int listener = kit_listen(AF_INET, &address), a = kit_connect(&address), b;

	for (int i = 0; i < 20; i++)
		kit_send_pattern(a, 10, kit_seed(), (uint64_t)i * 10);
	b = (int)MUST(accept(listener, NULL, NULL));
	kit_recv_pattern(b, 200, kit_seed(), 0);
	kit_promote(a, b);
	MUST(close(a));
	MUST(close(b));
	MUST(close(listener));
}

static void promoted_between(const char *client, const char *server)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t length = sizeof(address);
	int listener = (int)MUST(socket(AF_INET, SOCK_STREAM, 0)), a = (int)MUST(socket(AF_INET, SOCK_STREAM, 0)), b;

	inet_pton(AF_INET, server, &address.sin_addr);
	MUST(bind(listener, (struct sockaddr *)&address, sizeof(address)));
	MUST(listen(listener, 1));
	inet_pton(AF_INET, client, &address.sin_addr);
	address.sin_port = 0;
	MUST(bind(a, (struct sockaddr *)&address, sizeof(address)));
	MUST(getsockname(listener, (struct sockaddr *)&address, &length));
	if (strcmp(server, "0.0.0.0") == 0)
		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	MUST(connect(a, (struct sockaddr *)&address, sizeof(address)));
	b = (int)MUST(accept(listener, NULL, NULL));
	kit_promote(a, b);
	CHECK_CARRIED(a, 0, 0);
	MUST(close(a));
	MUST(close(b));
	MUST(close(listener));
}

CASE(other_loopback_addresses, tiny)
{
	promoted_between("127.0.0.2", "127.0.0.3");
	promoted_between("127.0.0.3", "127.0.0.2");
	promoted_between("127.0.0.1", "0.0.0.0");
}

/* An IPv6 listener that takes IPv4: one end names IPv4-mapped addresses, the other plain ones. */
CASE(ipv4_mapped_server, tiny, tcp)
{
	struct sockaddr_in6 wild = {.sin6_family = AF_INET6};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(wild);
	int listener = (int)MUST(socket(AF_INET6, SOCK_STREAM, 0)), a = (int)MUST(socket(AF_INET, SOCK_STREAM, 0)), b;

	kit_set_option(listener, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	MUST(bind(listener, (struct sockaddr *)&wild, sizeof(wild)));
	MUST(listen(listener, 1));
	MUST(getsockname(listener, (struct sockaddr *)&wild, &length));
	address.sin_port = wild.sin6_port;
	MUST(connect(a, (struct sockaddr *)&address, sizeof(address)));
	b = (int)MUST(accept(listener, NULL, NULL));
	kit_promote(a, b);
	PUT(a, "mapped");
	CHECK_GETS(b, "mapped");
	CHECK_CARRIED(a, 6, 0);
	MUST(close(a));
	MUST(close(b));
	MUST(close(listener));
}

CASE(ipv6_pair, tiny, tcp)
{
	struct pair pair = pair_promoted(AF_INET6);

	PUT(pair.a, "six");
	CHECK_GETS(pair.b, "six");
	CHECK_CARRIED(pair.a, 3, 0);
	pair_close(&pair);
}

/* A socket that connects to its own address is its own peer. */
CASE(connected_to_itself)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));

	MUST(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	MUST(getsockname(fd, (struct sockaddr *)&address, &length));
	MUST(connect(fd, (struct sockaddr *)&address, sizeof(address)));
	for (int i = 0; i < 100; i++) {
		PUT(fd, "mirror");
		CHECK_GETS(fd, "mirror");
	}
	MUST(shutdown(fd, SHUT_WR));
	CHECK_EOF(fd);
	MUST(close(fd));
}

/* connect with AF_UNSPEC cuts the connection; the socket may connect again. */
CASE(disconnected_and_connected_again)
{
	struct pair pair = PAIR;
	struct sockaddr_storage address;
	int listener = kit_listen(AF_INET, &address), again;
	struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	char byte;

	MUST(connect(pair.a, &nowhere, sizeof(nowhere)));
	kit_await(pair.b, POLLIN);
	CHECK_FAILS(recv(pair.b, &byte, 1, 0), ECONNRESET);
	CHECK_FAILS(send(pair.a, "x", 1, MSG_NOSIGNAL), ECONNRESET);
	MUST(connect(pair.a, (struct sockaddr *)&address, kit_address_length(&address)));
	again = (int)MUST(accept(listener, NULL, NULL));
	for (int i = 0; i < 200; i++) {
		PUT(pair.a, "second life");
		CHECK_GETS(again, "second life");
		PUT(again, "ack");
		CHECK_GETS(pair.a, "ack");
	}
	MUST(close(again));
	pair_close(&pair);
}

CASE(shutdown_of_a_listener_ends_accept)
{
	int listener = kit_listen(AF_INET, NULL);
	pid_t pid = (pid_t)MUST(fork());

	if (pid == 0) {
		CHECK_FAILS(accept(listener, NULL, NULL), EINVAL);
		_exit(0);
	}
	kit_await_asleep(pid);
	MUST(shutdown(listener, SHUT_RDWR));
	CHECK_EXITS(pid, 0);
	MUST(close(listener));
}

/* The same two ports again and again: nothing of an old connection is found by a new one. */
CASE(same_addresses_again, tiny, tcp)
{
	struct sockaddr_storage address, local;
	socklen_t length = sizeof(local);
	int listener = listen_apart(&address), first = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));
	struct linger now = {1, 0};

	/* From the same address, so the port is ours alone too. */
	((struct sockaddr_in *)&local)->sin_family = AF_INET;
	((struct sockaddr_in *)&local)->sin_addr = ((struct sockaddr_in *)&address)->sin_addr;
	((struct sockaddr_in *)&local)->sin_port = 0;
	MUST(bind(first, (struct sockaddr *)&local, sizeof(struct sockaddr_in)));
	MUST(connect(first, (struct sockaddr *)&address, kit_address_length(&address)));

	MUST(getsockname(first, (struct sockaddr *)&local, &length));
	MUST(close(MUST(accept(listener, NULL, NULL))));
	MUST(setsockopt(first, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	MUST(close(first));
	for (int i = 0; i < 30; i++) {
		struct pair pair = {.a = (int)MUST(socket(AF_INET, SOCK_STREAM, 0))};
		kit_set_option(pair.a, SOL_SOCKET, SO_REUSEADDR, 1);
		MUST(bind(pair.a, (struct sockaddr *)&local, sizeof(struct sockaddr_in)));
		MUST(connect(pair.a, (struct sockaddr *)&address, kit_address_length(&address)));
		pair.b = (int)MUST(accept(listener, NULL, NULL));
		if (i % 3)
			kit_promote(pair.a, pair.b);
		kit_send_pattern(pair.a, 100, (uint64_t)i, 0);
		kit_recv_pattern(pair.b, 100, (uint64_t)i, 0);
		MUST(setsockopt(pair.a, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
		MUST(close(pair.a));
		kit_await(pair.b, POLLERR);
		MUST(close(pair.b));
	}
	MUST(close(listener));
}
