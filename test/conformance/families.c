/* What is not TCP is left alone: datagrams, unix sockets, pipes, files. */
#include "kit.h"

#include <sys/un.h>

static void check_not_ours(int fd)
{
	struct rdma_carrier carrier;

	CHECK(!kit_carrier(fd, &carrier));
}

CASE(udp, tcp)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, from;
	socklen_t length = sizeof(address);
	int a = (int)MUST(socket(AF_INET, SOCK_DGRAM, 0)), b = (int)MUST(socket(AF_INET, SOCK_DGRAM, 0));
	char got[16];

	MUST(bind(b, (struct sockaddr *)&address, sizeof(address)));
	MUST(getsockname(b, (struct sockaddr *)&address, &length));
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(sendto(a, "datagram", 8, 0, (struct sockaddr *)&address, sizeof(address)), 8);
		CHECK_EQ(sendto(a, "", 0, 0, (struct sockaddr *)&address, sizeof(address)), 0);
		length = sizeof(from);
		CHECK_EQ(recvfrom(b, got, sizeof(got), 0, (struct sockaddr *)&from, &length), 8);
		CHECK_EQ(length, sizeof(from));
		CHECK_EQ(recv(b, got, sizeof(got), 0), 0);
	}
	MUST(connect(a, (struct sockaddr *)&address, sizeof(address)));
	CHECK_EQ(write(a, "abcdefgh", 8), 8);
	CHECK_EQ(recv(b, got, 3, MSG_TRUNC), 8);
	CHECK_EQ(memcmp(got, "abc", 3), 0);
	check_not_ours(a);
	check_not_ours(b);
	MUST(close(a));
	MUST(close(b));
}

CASE(unix_stream_pair, tcp)
{
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	for (int i = 0; i < 100; i++) {
		PUT(pair[0], "there");
		CHECK_GETS(pair[1], "there");
		PUT(pair[1], "back");
		CHECK_GETS(pair[0], "back");
	}
	check_not_ours(pair[0]);
	MUST(shutdown(pair[0], SHUT_WR));
	CHECK_EOF(pair[1]);
	MUST(close(pair[0]));
	MUST(close(pair[1]));
}

CASE(unix_seqpacket_keeps_boundaries)
{
	int pair[2];
	char got[16];

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	CHECK_EQ(send(pair[0], "one", 3, 0), 3);
	CHECK_EQ(send(pair[0], "three", 5, 0), 5);
	CHECK_EQ(recv(pair[1], got, sizeof(got), 0), 3);
	CHECK_EQ(recv(pair[1], got, sizeof(got), 0), 5);
	MUST(close(pair[0]));
	CHECK_EQ(recv(pair[1], got, sizeof(got), 0), 0);
	MUST(close(pair[1]));
}

CASE(unix_server, tcp)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = (int)MUST(socket(AF_UNIX, SOCK_STREAM, 0)), a = (int)MUST(socket(AF_UNIX, SOCK_STREAM, 0)), b;
	socklen_t length = (socklen_t)(sizeof(sa_family_t) + 1 +
				       (size_t)snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
							"conformance-%d", getpid()));

	MUST(bind(listener, (struct sockaddr *)&address, length));
	MUST(listen(listener, 1));
	MUST(connect(a, (struct sockaddr *)&address, length));
	b = (int)MUST(accept(listener, NULL, NULL));
	for (int i = 0; i < 100; i++) {
		PUT(a, "there");
		CHECK_GETS(b, "there");
		PUT(b, "back");
		CHECK_GETS(a, "back");
	}
	check_not_ours(a);
	check_not_ours(b);
}

CASE(pipes_and_files, tcp)
{
	int pipes[2], file = (int)MUST(open("/proc/self/exe", O_RDONLY));
	char got[8];
	struct iovec part = {got, 4};

	MUST(pipe(pipes));
	CHECK_EQ(write(pipes[1], "pipe", 4), 4);
	CHECK_EQ(read(pipes[0], got, sizeof(got)), 4);
	CHECK_EQ(read(file, got, 4), 4);
	CHECK_EQ(memcmp(got, "\177ELF", 4), 0);
	CHECK_EQ(preadv2(file, &part, 1, 0, 0), 4);
	CHECK_EQ(lseek(file, 0, SEEK_CUR), 4);
	CHECK_FAILS(recv(pipes[0], got, 1, 0), ENOTSOCK);
	CHECK_FAILS(send(file, got, 1, 0), ENOTSOCK);
	CHECK_FAILS(shutdown(file, SHUT_WR), ENOTSOCK);
	CHECK_FAILS(getsockopt(file, SOL_SOCKET, SO_TYPE, got, &(socklen_t){4}), ENOTSOCK);
	check_not_ours(file);
}

/* A number that was a promoted connection becomes a file, a pipe, a datagram socket: it then behaves as that. */
CASE(number_of_a_connection_becomes_something_else, tiny, tcp)
{
	for (int i = 0; i < 20; i++) {
		struct pair pair = PAIR;
		int pipes[2], other;
		char got[8];
		MUST(close(pair.b));
		CHECK_EOF(pair.a);
		MUST(close(pair.a));
		MUST(pipe(pipes));
		CHECK_EQ(write(pipes[1], "pipe", 4), 4);
		CHECK_EQ(read(pipes[0], got, sizeof(got)), 4);
		CHECK_FAILS(send(pipes[1], "x", 1, 0), ENOTSOCK);
		MUST(close(pipes[0]));
		MUST(close(pipes[1]));
		other = (int)MUST(open("/proc/self/exe", O_RDONLY));
		CHECK_EQ(read(other, got, 4), 4);
		CHECK_EQ(memcmp(got, "\177ELF", 4), 0);
		MUST(close(other));
		other = (int)MUST(socket(AF_INET, SOCK_DGRAM, 0));
		CHECK_FAILS(recv(other, got, 1, MSG_DONTWAIT), EAGAIN);
		MUST(close(other));
	}
}
