/* What rsockets have that sockets have not, or have otherwise: core/rsocket.def call by call. */
#include "kit.h"

#include <arpa/inet.h>

#define LINE "the quick brown fox"

static int file_new(void)
{
	char path[] = "/tmp/rsocket-calls-XXXXXX";
	int fd = (int)MUST(mkstemp(path));

	MUST(unlink(path));
	return fd;
}

/* Every call on FD, which is no rsocket. */
static void check_all_refuse(int fd)
{
	char buf[8] = "";
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct mmsghdr vec = {.msg_hdr = msg};
	struct sockaddr_in sin = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(1)};
	struct sockaddr *sa = (struct sockaddr *)&sin;
	struct epoll_event event = {.events = EPOLLIN};
	socklen_t length = sizeof(sin);
	int value = 1;

	CHECK_FAILS(rbind(fd, sa, length), EBADF);
	CHECK_FAILS(rlisten(fd, 1), EBADF);
	CHECK_FAILS(raccept(fd, NULL, NULL), EBADF);
	CHECK_FAILS(raccept4(fd, NULL, NULL, 0), EBADF);
	CHECK_FAILS(rconnect(fd, sa, length), EBADF);
	CHECK_FAILS(rshutdown(fd, SHUT_RDWR), EBADF);
	CHECK_FAILS(rclose(fd), EBADF);
	CHECK_FAILS(rdup(fd), EBADF);
	CHECK_FAILS(rfcntl(fd, F_GETFL), EBADF);
	CHECK_FAILS(rgetpeername(fd, sa, &length), EBADF);
	CHECK_FAILS(rgetsockname(fd, sa, &length), EBADF);
	CHECK_FAILS(rsetsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value)), EBADF);
	CHECK_FAILS(rsetsockopt(fd, SOL_RDMA, RDMA_INLINE, &value, sizeof(value)), EBADF);
	length = sizeof(value);
	CHECK_FAILS(rgetsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &length), EBADF);
	CHECK_FAILS(rgetsockopt(fd, SOL_RDMA, RDMA_INLINE, &value, &length), EBADF);
	CHECK_FAILS(rrecv(fd, buf, sizeof(buf), MSG_DONTWAIT), EBADF);
	CHECK_FAILS(rrecvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, NULL, NULL), EBADF);
	CHECK_FAILS(rrecvmsg(fd, &msg, MSG_DONTWAIT), EBADF);
	CHECK_FAILS(rrecvmmsg(fd, &vec, 1, MSG_DONTWAIT, NULL), EBADF);
	CHECK_FAILS(rread(fd, buf, sizeof(buf)), EBADF);
	CHECK_FAILS(rreadv(fd, &iov, 1), EBADF);
	CHECK_FAILS(rsend(fd, buf, 1, 0), EBADF);
	CHECK_FAILS(rsendto(fd, buf, 1, 0, sa, sizeof(sin)), EBADF);
	CHECK_FAILS(rsendmsg(fd, &msg, 0), EBADF);
	CHECK_FAILS(rsendmmsg(fd, &vec, 1, 0), EBADF);
	CHECK_FAILS(rwrite(fd, buf, 1), EBADF);
	CHECK_FAILS(rwritev(fd, &iov, 1), EBADF);
	CHECK_FAILS(repoll_ctl(fd, EPOLL_CTL_ADD, fd, &event), EBADF);
	CHECK_FAILS(repoll_wait(fd, &event, 1, 0), EBADF);
}

CASE(wrong_descriptors)
{
	int file = file_new(), gone = (int)MUST(rsocket(AF_INET, SOCK_STREAM, 0));

	MUST(rclose(gone));
	check_all_refuse(-1);
	check_all_refuse(gone);
	check_all_refuse(1 << 30);
	check_all_refuse(file);
	/* Still open: no call of ours closed it. */
	MUST((fcntl)(file, F_GETFL));
}

CASE(kinds_of_socket)
{
	int fd;

	CHECK_FAILS(rsocket(AF_UNIX, SOCK_STREAM, 0), ENOTSUP);
	CHECK_FAILS(rsocket(AF_INET, SOCK_SEQPACKET, 0), ENOTSUP);
	CHECK_FAILS(rsocket(AF_INET, SOCK_RAW, IPPROTO_ICMP), ENOTSUP);
	CHECK_FAILS(rsocket(AF_INET, SOCK_STREAM, IPPROTO_UDP), ENOTSUP);
	CHECK_FAILS(rsocket(AF_INET, SOCK_DGRAM, IPPROTO_TCP), ENOTSUP);
	CHECK_FAILS(rsocket(27 /* AF_IB */, SOCK_STREAM, 0), ENODEV);
	fd = (int)MUST(rsocket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
	CHECK(rfcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK_EQ(rfcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(kit_get_option(fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	CHECK_EQ(kit_get_option(fd, SOL_SOCKET, SO_DOMAIN), AF_INET6);
	CHECK_EQ(kit_get_option(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
	MUST(rclose(fd));
	fd = (int)MUST(rsocket(AF_INET, SOCK_DGRAM, IPPROTO_UDP));
	CHECK_EQ(kit_get_option(fd, SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
	MUST(rclose(fd));
	CHECK_FAILS(rclose(fd), EBADF);
}

/* Two rsockets of one thread need no more than a few messages to leave TCP. */
CASE(promoted_at_once)
{
	struct pair pair = pair_new(AF_INET);
	struct rdma_carrier carrier = {0};
	socklen_t size = sizeof(carrier);

	for (int i = 0; i < 8; i++) {
		PUT(pair.a, "ping");
		CHECK_GETS(pair.b, "ping");
		PUT(pair.b, "pong");
		CHECK_GETS(pair.a, "pong");
	}
	MUST(rgetsockopt(pair.a, SOL_RDMA, RDMA_CARRIER, &carrier, &size));
	CHECK_EQ(carrier.send, RDMA_TRANSPORT_SHM);
	CHECK_EQ(carrier.recv, RDMA_TRANSPORT_SHM);
	CHECK(strcmp(carrier.reason_code, "promoted") == 0);
	pair_close(&pair);
}

/* One large call each way: what is left of it leaves TCP while it is under way. */
static void *read_much(void *argument)
{
	int fd = *(int *)argument;
	static char buf[1 << 16];
	uint64_t got = 0;

	while (got < 64 * MIB) {
		ssize_t n = MUST(rrecv(fd, buf, sizeof(buf), 0));

		CHECK(n > 0);
		CHECK_PATTERN(buf, (size_t)n, 7, got);
		got += (uint64_t)n;
	}
	return NULL;
}

CASE(large_call_leaves_tcp)
{
	struct pair pair = pair_new(AF_INET);
	struct thread reader;
	struct rdma_carrier carrier = {0};
	socklen_t size = sizeof(carrier);
	char *buf = malloc(64 * MIB);

	kit_pattern(buf, 64 * MIB, 7, 0);
	thread_start(&reader, read_much, &pair.b);
	CHECK_EQ(rsend(pair.a, buf, 64 * MIB, 0), 64 * MIB);
	thread_join(&reader);
	MUST(rgetsockopt(pair.a, SOL_RDMA, RDMA_CARRIER, &carrier, &size));
	CHECK_EQ(carrier.send_bytes, 64 * MIB);
	CHECK(carrier.shm_send_bytes > 0);
	free(buf);
	pair_close(&pair);
}

CASE(accepted_inherit)
{
	struct sockaddr_storage address;
	int listener = kit_listen(AF_INET, &address), value = 77, a, b;

	MUST(rsetsockopt(listener, SOL_RDMA, RDMA_SQSIZE, &value, sizeof(value)));
	MUST(rfcntl(listener, F_SETFL, O_NONBLOCK));
	a = kit_connect(&address);
	kit_await(listener, POLLIN);
	b = (int)MUST(raccept(listener, NULL, NULL));
	CHECK(rfcntl(b, F_GETFL) & O_NONBLOCK);
	CHECK_EQ(rfcntl(b, F_GETFD), FD_CLOEXEC); /* kit_listen's */
	CHECK_EQ(kit_get_option(b, SOL_RDMA, RDMA_SQSIZE), 77);
	CHECK_EQ(kit_get_option(a, SOL_RDMA, RDMA_SQSIZE), 384);
	MUST(rclose(a));
	MUST(rclose(b));
	a = kit_connect(&address);
	kit_await(listener, POLLIN);
	b = (int)MUST(raccept4(listener, NULL, NULL, 0));
	CHECK(!(rfcntl(b, F_GETFL) & O_NONBLOCK));
	CHECK_EQ(rfcntl(b, F_GETFD), 0);
	CHECK_FAILS(raccept(listener, NULL, NULL), EAGAIN);
	CHECK_FAILS(raccept(a, NULL, NULL), EBADF);
}

/* Neither a signal nor EPIPE, as rdma-core's. */
CASE(broken_connections_reset)
{
	struct pair pair = PAIR;

	signal(SIGPIPE, SIG_DFL);
	MUST(rclose(pair.b));
	while (rsend(pair.a, "x", 1, 0) == 1)
		kit_sleep_ms(1);
	CHECK_EQ(errno, ECONNRESET);
	CHECK_FAILS(rwrite(pair.a, "x", 1), ECONNRESET);
	MUST(rclose(pair.a));
	pair = PAIR;
	MUST(rshutdown(pair.a, SHUT_WR));
	CHECK_FAILS(rsend(pair.a, "x", 1, 0), ECONNRESET);
	CHECK_EOF(pair.b);
	PUT(pair.b, LINE);
	CHECK_GETS(pair.a, LINE);
	pair_close(&pair);
}

CASE(addresses_of_streams)
{
	struct pair pair = PAIR;
	struct sockaddr_in peer = {0}, name = {0};
	socklen_t size = sizeof(peer), name_size = sizeof(name);
	char buf[64];
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr msg = {
		.msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = &iov, .msg_iovlen = 1, .msg_flags = -1};

	MUST(rgetpeername(pair.b, (struct sockaddr *)&peer, &size));
	PUT(pair.a, LINE);
	CHECK_EQ(rrecvfrom(pair.b, buf, sizeof(buf), 0, (struct sockaddr *)&name, &name_size), sizeof(LINE) - 1);
	CHECK_EQ(name_size, sizeof(name));
	CHECK(memcmp(&name, &peer, sizeof(name)) == 0);
	memset(&name, 0, sizeof(name));
	PUT(pair.a, LINE);
	CHECK_EQ(rrecvmsg(pair.b, &msg, 0), sizeof(LINE) - 1);
	CHECK_EQ(msg.msg_namelen, sizeof(name));
	CHECK_EQ(msg.msg_flags, 0);
	CHECK(memcmp(&name, &peer, sizeof(name)) == 0);
	CHECK_FAILS(rsendto(pair.b, "x", 1, 0, (struct sockaddr *)&peer, sizeof(peer)), EISCONN);
	CHECK_EQ(rsendto(pair.b, LINE, sizeof(LINE) - 1, 0, NULL, 0), sizeof(LINE) - 1);
	CHECK_GETS(pair.a, LINE);
	pair_close(&pair);
}

CASE(all_vectors_are_filled)
{
	struct pair pair = PAIR;
	char one[3], two[1], three[60];
	struct iovec iov[] = {{one, sizeof(one)}, {NULL, 0}, {two, sizeof(two)}, {three, sizeof(three)}};
	struct iovec out[] = {{(void *)"abcd", 4}, {(void *)"efghijkl", 8}};

	CHECK_EQ(rwritev(pair.a, out, 2), 12);
	CHECK_EQ(rreadv(pair.b, iov, 4), 12);
	CHECK(memcmp(one, "abc", 3) == 0 && two[0] == 'd' && memcmp(three, "efghijkl", 8) == 0);
	CHECK_FAILS(rreadv(pair.b, iov, -1), EINVAL);
	CHECK_FAILS(rwritev(pair.b, iov, 100000), EINVAL);
	CHECK_EQ(rread(pair.b, one, 0), 0);
	pair_close(&pair);
}

CASE(several_messages_a_call)
{
	struct pair pair = PAIR;
	char in[3][4];
	struct iovec out[3] = {{(void *)"aaaa", 4}, {(void *)"bbbb", 4}, {(void *)"cccc", 4}};
	struct iovec iov[3] = {{in[0], 4}, {in[1], 4}, {in[2], 4}};
	struct mmsghdr vec[3] = {0};

	for (int i = 0; i < 3; i++)
		vec[i].msg_hdr = (struct msghdr){.msg_iov = &out[i], .msg_iovlen = 1};
	CHECK_EQ(rsendmmsg(pair.a, vec, 3, 0), 3);
	CHECK_EQ(vec[2].msg_len, 4);
	for (int i = 0; i < 3; i++)
		vec[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	CHECK_EQ(rrecvmmsg(pair.b, vec, 3, 0, NULL), 3);
	CHECK(memcmp(in, "aaaabbbbcccc", 12) == 0);
	CHECK_FAILS(rrecvmmsg(pair.b, vec, 3, MSG_DONTWAIT, NULL), EAGAIN);
	pair_close(&pair);
}

CASE(duplicates_hold_the_connection)
{
	struct pair pair = PAIR;
	int copy = (int)MUST(rdup(pair.a)), high = (int)MUST(rfcntl(pair.a, F_DUPFD_CLOEXEC, 100));

	CHECK(high >= 100);
	CHECK_EQ(rfcntl(high, F_GETFD), FD_CLOEXEC);
	MUST(rclose(pair.a));
	PUT(copy, LINE);
	CHECK_GETS(pair.b, LINE);
	MUST(rclose(copy));
	PUT(high, LINE);
	CHECK_GETS(pair.b, LINE);
	CHECK_SILENT(pair.b);
	MUST(rclose(high));
	CHECK_EOF(pair.b);
	MUST(rclose(pair.b));
}

CASE(datagrams)
{
	struct sockaddr_in at[2], from;
	int fd[2];
	socklen_t size = sizeof(from);
	char buf[100];

	for (int i = 0; i < 2; i++) {
		at[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		fd[i] = (int)MUST(rsocket(AF_INET, SOCK_DGRAM, 0));
		MUST(rbind(fd[i], (struct sockaddr *)&at[i], sizeof(at[i])));
		MUST(rgetsockname(fd[i], (struct sockaddr *)&at[i], &size));
	}
	CHECK_EQ(rsendto(fd[0], LINE, sizeof(LINE), 0, (struct sockaddr *)&at[1], sizeof(at[1])), sizeof(LINE));
	CHECK_EQ(rsendto(fd[0], "b", 1, 0, (struct sockaddr *)&at[1], sizeof(at[1])), 1);
	size = sizeof(from);
	CHECK_EQ(rrecvfrom(fd[1], buf, sizeof(buf), 0, (struct sockaddr *)&from, &size), sizeof(LINE));
	CHECK_EQ(from.sin_port, at[0].sin_port);
	CHECK_EQ(rrecv(fd[1], buf, sizeof(buf), 0), 1);
	CHECK_FAILS(rrecv(fd[1], buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	MUST(rconnect(fd[1], (struct sockaddr *)&from, size));
	CHECK_EQ(rsend(fd[1], LINE, sizeof(LINE), 0), sizeof(LINE));
	CHECK_EQ(rrecv(fd[0], buf, 4, MSG_TRUNC), sizeof(LINE));
	CHECK_FAILS(raccept(fd[0], NULL, NULL), EBADF);
	MUST(rclose(fd[0]));
	MUST(rclose(fd[1]));
}
