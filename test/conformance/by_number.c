/* syscall(2) with the numbers of calls that touch sockets: libc's way around its own functions. */
#include "kit.h"

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

CASE(bytes_by_every_number, tiny, tcp)
{
	struct pair pair = PAIR;
	char got[8];
	struct iovec out = {"12", 2}, in = {got, 2};
	struct msghdr sent = {.msg_iov = &out, .msg_iovlen = 1}, received = {.msg_iov = &in, .msg_iovlen = 1};
	struct mmsghdr many_sent = {.msg_hdr = sent}, many_received = {.msg_hdr = received};

	for (int round = 0; round < 20; round++) {
		CHECK_EQ(syscall(SYS_write, pair.a, "12", 2), 2);
		CHECK_EQ(syscall(SYS_read, pair.b, got, 2), 2);
		CHECK_EQ(syscall(SYS_writev, pair.a, &out, 1), 2);
		CHECK_EQ(syscall(SYS_readv, pair.b, &in, 1), 2);
		CHECK_EQ(syscall(SYS_pwritev2, pair.a, &out, 1, -1L, -1L, 0), 2);
		CHECK_EQ(syscall(SYS_preadv2, pair.b, &in, 1, -1L, -1L, 0), 2);
		CHECK_EQ(syscall(SYS_sendto, pair.a, "12", 2, 0, NULL, 0), 2);
		CHECK_EQ(syscall(SYS_recvfrom, pair.b, got, 2, 0, NULL, NULL), 2);
		CHECK_EQ(syscall(SYS_sendmsg, pair.a, &sent, 0), 2);
		CHECK_EQ(syscall(SYS_recvmsg, pair.b, &received, 0), 2);
		CHECK_EQ(syscall(SYS_sendmmsg, pair.a, &many_sent, 1, 0), 1);
		CHECK_EQ(syscall(SYS_recvmmsg, pair.b, &many_received, 1, 0, NULL), 1);
		CHECK_EQ(memcmp(got, "12", 2), 0);
	}
	CHECK_CARRIED(pair.a, 200, 0);
	CHECK_CARRIED(pair.b, 0, 200);
	pair_close(&pair);
}

CASE(files_and_pipes, tiny, tcp)
{
	struct pair pair = PAIR;
	int file = (int)MUST(memfd_create("content", MFD_CLOEXEC)), ends[2];
	char got[8];
	off_t offset = 0;

	CHECK_EQ(write(file, "content", 7), 7);
	CHECK_EQ(syscall(SYS_sendfile, pair.a, file, &offset, 7), 7);
	CHECK_GETS(pair.b, "content");
	MUST(pipe(ends));
	CHECK_EQ(write(ends[1], "pipe", 4), 4);
	CHECK_EQ(syscall(SYS_splice, ends[0], NULL, pair.a, NULL, 4, 0), 4);
	CHECK_EQ(syscall(SYS_splice, pair.b, NULL, ends[1], NULL, 4, 0), 4);
	CHECK_EQ(read(ends[0], got, sizeof(got)), 4);
	CHECK_EQ(memcmp(got, "pipe", 4), 0);
	pair_close(&pair);
}

/* What every wait says of a byte that is there, and of a quiet socket. */
CASE(waits_by_every_number, tiny, tcp)
{
	struct pair pair = PAIR;
	int epfd = (int)MUST(syscall(SYS_epoll_create1, EPOLL_CLOEXEC));
	struct epoll_event event = {.events = EPOLLIN, .data.fd = pair.b};

	MUST(syscall(SYS_epoll_ctl, epfd, EPOLL_CTL_ADD, pair.b, &event));
	for (int byte = 0; byte <= 1; byte++) {
		struct timespec quarter = {0, 250000000}, brief = {0, 20000000}, *time = byte ? &quarter : &brief;
		struct pollfd wait = {.fd = pair.b, .events = POLLIN};
		fd_set in;

		if (byte)
			PUT(pair.a, "x");
		FD_ZERO(&in);
		FD_SET(pair.b, &in);
		CHECK_EQ(syscall(SYS_pselect6, pair.b + 1, &in, NULL, NULL, time, NULL), byte);
		CHECK_EQ(!!FD_ISSET(pair.b, &in), byte);
		CHECK(byte ? time->tv_nsec > 0 : time->tv_nsec == 0); /* what is left */
		*time = byte ? (struct timespec){0, 250000000} : (struct timespec){0, 20000000};
		CHECK_EQ(syscall(SYS_ppoll, &wait, 1, time, NULL, 8), byte);
		CHECK_EQ(syscall(SYS_epoll_pwait, epfd, &event, 1, byte ? 250 : 20, NULL, 8), byte);
#ifdef SYS_poll
		CHECK_EQ(syscall(SYS_poll, &wait, 1, byte ? 250 : 20), byte);
#endif
#ifdef SYS_epoll_wait
		CHECK_EQ(syscall(SYS_epoll_wait, epfd, &event, 1, byte ? 250 : 20), byte);
#endif
#ifdef SYS_select
		FD_ZERO(&in);
		FD_SET(pair.b, &in);
		CHECK_EQ(syscall(SYS_select, pair.b + 1, &in, NULL, NULL, &(struct timeval){0, byte ? 250000 : 20000}),
			 byte);
#endif
	}
	CHECK_GETS(pair.b, "x");
	MUST(close(epfd));
	pair_close(&pair);
}

/* A connection whose every call is made by number. */
CASE(a_whole_life, tiny)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int listener = (int)MUST(syscall(SYS_socket, AF_INET, SOCK_STREAM, 0)), on = 1, copy;
	struct pair pair;

	MUST(bind(listener, (struct sockaddr *)&address, sizeof(address)));
	MUST(syscall(SYS_listen, listener, 5));
	MUST(getsockname(listener, (struct sockaddr *)&address, &length));
	pair.a = (int)MUST(syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(syscall(SYS_connect, pair.a, &address, sizeof(address)));
	pair.b = (int)MUST(syscall(SYS_accept4, listener, NULL, NULL, SOCK_CLOEXEC));
	MUST(syscall(SYS_setsockopt, pair.a, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
	kit_promote(pair.a, pair.b);
	copy = (int)MUST(syscall(SYS_dup, pair.a));
	MUST(syscall(SYS_close, pair.a));
	CHECK_EQ(syscall(SYS_fcntl, copy, F_SETFL, O_NONBLOCK), 0);
	CHECK_FAILS(syscall(SYS_recvfrom, copy, &on, 1, 0, NULL, NULL), EAGAIN);
	CHECK_EQ(syscall(SYS_write, copy, "end", 3), 3);
	MUST(syscall(SYS_shutdown, copy, SHUT_WR));
	CHECK_GETS(pair.b, "end");
	CHECK_EOF(pair.b);
	MUST(syscall(SYS_close_range, copy, copy, 0));
	MUST(syscall(SYS_close, pair.b));
	MUST(close(listener));
}

/* Its rings would read and write past the toolkit, so programs are told that the kernel has none; without it, or under a policy, one way
 * or another. */
CASE(io_uring_is_not_there)
{
	struct io_uring_params params = {0};
	long fd = syscall(SYS_io_uring_setup, 4, &params);

	if (kit_expect() == EXPECT_SHM)
		CHECK(fd == -1 && errno == ENOSYS);
	else
		CHECK(fd >= 0 || errno == ENOSYS || errno == EPERM);
}
