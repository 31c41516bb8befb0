/* Both libraries in one process: the r-calls and libc's are two faces of one engine, and a descriptor is the same to both. */
#include "kit.h"

#define LINE "the quick brown fox"

/* Between a connection's ends by R-calls and by libc's, in turn, all four ways. */
static void exchange(int a, int b)
{
	char buf[64];

	CHECK_EQ(rsend(a, LINE, sizeof(LINE), 0), sizeof(LINE));
	CHECK_EQ((recv)(b, buf, sizeof(buf), 0), sizeof(LINE));
	CHECK_EQ((send)(a, LINE, sizeof(LINE), 0), sizeof(LINE));
	CHECK_EQ(rrecv(b, buf, sizeof(buf), 0), sizeof(LINE));
	CHECK_EQ((write)(b, LINE, sizeof(LINE)), sizeof(LINE));
	CHECK_EQ((read)(a, buf, sizeof(buf)), sizeof(LINE));
	CHECK_EQ(rwrite(b, LINE, sizeof(LINE)), sizeof(LINE));
	CHECK_EQ(rread(a, buf, sizeof(buf)), sizeof(LINE));
	CHECK(memcmp(buf, LINE, sizeof(LINE)) == 0);
}

CASE(rsockets_are_sockets)
{
	struct pair pair = PAIR;
	struct epoll_event event = {.events = EPOLLIN};
	struct rdma_carrier carrier;
	socklen_t size = sizeof(carrier);
	int set = (int)MUST((epoll_create1)(0));

	exchange(pair.a, pair.b);
	CHECK_EQ((getsockopt)(pair.a, SOL_RDMA, RDMA_CARRIER, &carrier, &size), 0);
	CHECK_EQ(carrier.send, RDMA_TRANSPORT_SHM);
	CHECK_EQ(rsend(pair.a, LINE, sizeof(LINE), 0), sizeof(LINE));
	CHECK_EQ((poll)(&(struct pollfd){.fd = pair.b, .events = POLLIN}, 1, 5000), 1);
	CHECK_EQ((epoll_ctl)(set, EPOLL_CTL_ADD, pair.b, &event), 0);
	CHECK_EQ(repoll_wait(set, &event, 1, 5000), 1);
	CHECK_EQ((epoll_wait)(set, &event, 1, 5000), 1);
	/* libc's close is the end of it for the r-calls too. */
	CHECK_EQ((close)(pair.b), 0);
	CHECK_FAILS(rclose(pair.b), EBADF);
	CHECK_FAILS(rsend(pair.b, "x", 1, 0), EBADF);
	CHECK_EQ((close)(set), 0);
	MUST(rclose(pair.a));
}

CASE(sockets_are_rsockets)
{
	struct sockaddr_storage address;
	int listener = kit_listen(AF_INET, &address), a = (int)MUST((socket)(AF_INET, SOCK_STREAM, 0)), b;

	MUST((connect)(a, (struct sockaddr *)&address, kit_address_length(&address)));
	b = (int)MUST((accept)(listener, NULL, NULL));
	kit_promote(a, b);
	exchange(a, b);
	CHECK_CARRIED(a, 1, 1);
	MUST(rclose(a));
	CHECK_EQ((read)(b, &address, 1), 0);
	CHECK_EQ((close)(b), 0);
}
