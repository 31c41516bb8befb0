/* Options of rsockets: those of RDMA are kept, those of sockets are the kernel's. */
#include "kit.h"

CASE(queue_options)
{
	int fd = (int)MUST(rsocket(AF_INET, SOCK_STREAM, 0)), value;
	socklen_t size = sizeof(value);

	CHECK_EQ(kit_get_option(fd, SOL_RDMA, RDMA_SQSIZE), 384);
	CHECK_EQ(kit_get_option(fd, SOL_RDMA, RDMA_RQSIZE), 384);
	CHECK_EQ(kit_get_option(fd, SOL_RDMA, RDMA_INLINE), 64);
	CHECK_EQ(kit_get_option(fd, SOL_RDMA, RDMA_IOMAPSIZE), 0);
	for (int option = RDMA_SQSIZE; option <= RDMA_INLINE; option++) {
		kit_set_option(fd, SOL_RDMA, option, 1234);
		CHECK_EQ(kit_get_option(fd, SOL_RDMA, option), 1234);
		kit_set_option(fd, SOL_RDMA, option, 1 << 20);
		CHECK_EQ(kit_get_option(fd, SOL_RDMA, option), 0xfffe);
	}
	/* 8 bits on the wire: exact up to 128, then 256 at a time. */
	static const int sizes[][2] = {{1, 1},     {128, 128}, {256, 256},    {300, 256},
				       {511, 256}, {512, 512}, {40000, 32512}};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		kit_set_option(fd, SOL_RDMA, RDMA_IOMAPSIZE, sizes[i][0]);
		CHECK_EQ(kit_get_option(fd, SOL_RDMA, RDMA_IOMAPSIZE), sizes[i][1]);
	}
	value = 1;
	CHECK_FAILS(rsetsockopt(fd, SOL_RDMA, RDMA_SQSIZE, &value, 2), EINVAL);
	CHECK_FAILS(rsetsockopt(fd, SOL_RDMA, 99, &value, sizeof(value)), ENOTSUP);
	size = 2;
	CHECK_FAILS(rgetsockopt(fd, SOL_RDMA, RDMA_SQSIZE, &value, &size), EINVAL);
	size = sizeof(value);
	CHECK_FAILS(rgetsockopt(fd, SOL_RDMA, 99, &value, &size), ENOTSUP);
	MUST(rclose(fd));
}

CASE(queue_options_end_with_connect)
{
	struct pair pair = pair_new(AF_INET);
	int value = 1;

	for (int option = RDMA_SQSIZE; option <= RDMA_IOMAPSIZE; option++) {
		CHECK_FAILS(rsetsockopt(pair.a, SOL_RDMA, option, &value, sizeof(value)), EINVAL);
		CHECK_FAILS(rsetsockopt(pair.b, SOL_RDMA, option, &value, sizeof(value)), EINVAL);
	}
	pair_close(&pair);
}

CASE(routes_are_kept)
{
	int fd = (int)MUST(rsocket(AF_INET, SOCK_STREAM, 0));
	char path[2 * 72], back[3 * 72];
	socklen_t size = sizeof(back);

	MUST(rgetsockopt(fd, SOL_RDMA, RDMA_ROUTE, back, &size));
	CHECK_EQ(size, 0);
	kit_pattern(path, sizeof(path), 3, 0);
	CHECK_FAILS(rsetsockopt(fd, SOL_RDMA, RDMA_ROUTE, path, 71), EINVAL);
	CHECK_FAILS(rsetsockopt(fd, SOL_RDMA, RDMA_ROUTE, path, 0), EINVAL);
	MUST(rsetsockopt(fd, SOL_RDMA, RDMA_ROUTE, path, sizeof(path)));
	size = 72;
	CHECK_FAILS(rgetsockopt(fd, SOL_RDMA, RDMA_ROUTE, back, &size), EINVAL);
	size = sizeof(back);
	MUST(rgetsockopt(fd, SOL_RDMA, RDMA_ROUTE, back, &size));
	CHECK_EQ(size, sizeof(path));
	CHECK(memcmp(path, back, sizeof(path)) == 0);
	MUST(rclose(fd));
}

/* What the kernel's socket really does with them. */
CASE(socket_options_are_real)
{
	struct pair pair = PAIR;
	struct tcp_info info;
	socklen_t size = sizeof(info);

	kit_set_option(pair.a, SOL_SOCKET, SO_KEEPALIVE, 1);
	kit_set_option(pair.a, IPPROTO_TCP, TCP_KEEPIDLE, 11);
	kit_set_option(pair.a, IPPROTO_TCP, TCP_KEEPINTVL, 12);
	kit_set_option(pair.a, IPPROTO_TCP, TCP_KEEPCNT, 13);
	kit_set_option(pair.a, IPPROTO_IP, IP_TOS, 0x10);
	kit_set_option(pair.a, SOL_SOCKET, SO_OOBINLINE, 1);
	kit_set_option(pair.a, SOL_SOCKET, SO_RCVBUF, 1 << 17);
	CHECK_EQ((getsockopt)(pair.a, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
	CHECK_EQ(info.tcpi_state, 1 /* established */);
	CHECK_EQ(kit_get_option(pair.a, SOL_SOCKET, SO_KEEPALIVE), 1);
	CHECK_EQ(kit_get_option(pair.a, IPPROTO_TCP, TCP_KEEPIDLE), 11);
	CHECK_EQ(kit_get_option(pair.a, IPPROTO_TCP, TCP_KEEPINTVL), 12);
	CHECK_EQ(kit_get_option(pair.a, IPPROTO_TCP, TCP_KEEPCNT), 13);
	CHECK_EQ(kit_get_option(pair.a, IPPROTO_IP, IP_TOS), 0x10);
	CHECK_EQ(kit_get_option(pair.a, SOL_SOCKET, SO_OOBINLINE), 1);
	CHECK_EQ(kit_get_option(pair.a, SOL_SOCKET, SO_RCVBUF), 1 << 18);
	CHECK(kit_get_option(pair.a, IPPROTO_TCP, TCP_MAXSEG) > 0);
	CHECK_CARRIED(pair.a, 1, 1);
	pair_close(&pair);
}

/* Connecting to nothing: a new rsocket on the same number, with the options of the old one. */
CASE(options_outlive_a_disconnect)
{
	struct sockaddr_storage address;
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	int listener = kit_listen(AF_INET, &address), fd = (int)MUST(rsocket(AF_INET, SOCK_STREAM, 0)), first, second;
	char path[72];

	kit_set_option(fd, SOL_RDMA, RDMA_INLINE, 17);
	kit_pattern(path, sizeof(path), 3, 0);
	MUST(rsetsockopt(fd, SOL_RDMA, RDMA_ROUTE, path, sizeof(path)));
	MUST(rconnect(fd, (struct sockaddr *)&address, kit_address_length(&address)));
	first = (int)MUST(raccept(listener, NULL, NULL));
	kit_promote(fd, first);
	MUST(rconnect(fd, &nobody, sizeof(nobody)));
	CHECK_FAILS(rrecv(first, path, 1, 0), ECONNRESET);
	CHECK_EQ(kit_get_option(fd, SOL_RDMA, RDMA_INLINE), 17);
	kit_set_option(fd, SOL_RDMA, RDMA_INLINE, 18);
	MUST(rconnect(fd, (struct sockaddr *)&address, kit_address_length(&address)));
	second = (int)MUST(raccept(listener, NULL, NULL));
	kit_promote(fd, second);
	CHECK_EQ(kit_get_option(fd, SOL_RDMA, RDMA_INLINE), 18);
	MUST(rclose(fd));
	MUST(rclose(first));
	MUST(rclose(second));
	MUST(rclose(listener));
}
