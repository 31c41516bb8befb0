/* Reading and writing rsockets: one stream, whatever carries it. */
#include "cancel.h"
#include "dgram.h"
#include "iomap.h"
#include "kernel.h"
#include "placement.h"
#include "rsocket.h"
#include "stream.h"

#include <errno.h>
#include <limits.h>

/* Whether a receive with FLAGS takes bytes of the stream. */
static bool takes(int flags)
{
	return !(flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE));
}

static struct iovec one(const void *buf, size_t size)
{
	return (struct iovec){(void *)(uintptr_t)buf, size};
}

static ssize_t kernel_receives(int fd, struct msghdr *msg, int flags)
{
	int type = cancel_enter();
	ssize_t n = kernel_recvmsg(fd, msg, flags);

	cancel_leave(type);
	return n;
}

static ssize_t kernel_sends(int fd, const struct msghdr *msg, int flags)
{
	int type = cancel_enter();
	ssize_t n = kernel_sendmsg(fd, msg, flags);

	cancel_leave(type);
	return n;
}

/* A call that stays in the kernel for long keeps the connection on TCP, and a peer with maps from being found: while that may end, large ones are
 * made of pieces. */
#define PIECE 65536

static bool pieces(const struct conn *c, enum stage stage)
{
	return stage == STAGE_TCP && (!load_relaxed(&c->never) || load_relaxed(&c->far) == FAR_SEARCHING);
}

/* --- receiving --- */

static ssize_t recv_plain(const struct passage *p, int fd, struct msghdr *msg, int flags)
{
	ssize_t n = kernel_receives(fd, msg, flags);

	stream_recv_plain(p, n, takes(flags));
	return n;
}

static ssize_t recv_kernel(const struct passage *p, int fd, struct msghdr *msg, int flags)
{
	ssize_t n = kernel_receives(fd, msg, flags);

	stream_recv_end(p, fd, n, takes(flags));
	return n;
}

static ssize_t receive(int fd, struct msghdr *msg, int flags)
{
	struct passage p;
	ssize_t n;
	int out_flags = 0;

	if (msg->msg_iovlen > IOV_MAX)
		return -EMSGSIZE;
	if (flags & MSG_ERRQUEUE)
		return errqueue_recvmsg(fd, msg, flags);
	iomap_meet(fd, POLLIN, flags & MSG_DONTWAIT);
	switch (stream_recv_begin(fd, &p)) {
	case ROUTE_PLAIN:
		return recv_plain(&p, fd, msg, flags);
	case ROUTE_KERNEL:
		return recv_kernel(&p, fd, msg, flags);
	default:
		n = stream_recv(&p, fd, msg->msg_iov, (int)msg->msg_iovlen, flags, &out_flags);
		if (n >= 0) {
			msg->msg_flags = out_flags | (flags & MSG_CMSG_CLOEXEC);
			msg->msg_controllen = 0;
			msg->msg_namelen = 0;
		}
		return n;
	}
}

/* A stream's bytes come from its peer, and a program that asks is told, as rdma-core does. */
static void name_peer(int fd, struct msghdr *msg, socklen_t room)
{
	socklen_t size = room;

	msg->msg_namelen = sys_call3(SYS_getpeername, fd, msg->msg_name, &size) == 0 ? size : 0;
}

ssize_t rsocket_recvmsg(int fd, struct msghdr *msg, int flags)
{
	enum fd_kind kind = fdtab_kind(fd);
	socklen_t room = msg->msg_namelen;
	ssize_t n;

	cancel_point();
	if (kind == FD_DGRAM)
		return dgram_recv(fd, msg, flags);
	if (kind != FD_CONN)
		return -EBADF;
	n = receive(fd, msg, flags);
	if (n > 0 && msg->msg_name && !(flags & MSG_ERRQUEUE))
		name_peer(fd, msg, room);
	return n;
}

ssize_t rsocket_recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *addr, socklen_t *addrlen)
{
	struct iovec iov = one(buf, size);
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (addr && addrlen) {
		msg.msg_name = addr;
		msg.msg_namelen = *addrlen;
	}
	n = rsocket_recvmsg(fd, &msg, flags);
	if (n >= 0 && msg.msg_name)
		*addrlen = msg.msg_namelen;
	return n;
}

static ssize_t recv_once(int fd, void *buf, size_t size, int flags)
{
	struct iovec iov = one(buf, size);
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct passage p;

	/* The way of every message, without what only recvmsg has. */
	if (__builtin_expect(fdtab_kind(fd) == FD_CONN && !(flags & MSG_ERRQUEUE), 1)) {
		cancel_point();
		iomap_meet(fd, POLLIN, flags & MSG_DONTWAIT);
		switch (stream_recv_begin(fd, &p)) {
		case ROUTE_PLAIN:
			return recv_plain(&p, fd, &msg, flags);
		case ROUTE_KERNEL:
			return recv_kernel(&p, fd, &msg, flags);
		default:
			return stream_recv(&p, fd, &iov, 1, flags, NULL);
		}
	}
	return rsocket_recvmsg(fd, &msg, flags);
}

ssize_t rsocket_recv(int fd, void *buf, size_t size, int flags)
{
	const bool divisible = (flags & (MSG_WAITALL | MSG_PEEK | MSG_OOB | MSG_ERRQUEUE)) == MSG_WAITALL;
	const struct conn *c = fdtab_conn(fd);
	size_t done = 0;

	for (;;) {
		size_t piece = size - done;
		ssize_t n;

		if (piece > PIECE && divisible && c && pieces(c, conn_recv_stage(c)))
			piece = PIECE;
		n = recv_once(fd, (char *)buf + done, piece, flags);
		if (n < 0)
			return done ? (ssize_t)done : n;
		done += (size_t)n;
		if ((size_t)n < piece || done == size)
			return (ssize_t)done;
	}
}

ssize_t rsocket_read(int fd, void *buf, size_t size)
{
	return rsocket_readv(fd, &(struct iovec){buf, size}, 1);
}

/* A read of nothing never looks at the stream. */
static bool nothing_to_read(int fd, const struct iovec *iov, size_t count)
{
	size_t i = 0;

	while (i < count && iov[i].iov_len == 0)
		i++;
	return i == count && fdtab_kind(fd) == FD_CONN;
}

ssize_t rsocket_readv(int fd, const struct iovec *iov, int count)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)count};

	if (count < 0 || count > IOV_MAX)
		return -EINVAL;
	return nothing_to_read(fd, iov, (size_t)count) ? 0 : rsocket_recvmsg(fd, &msg, 0);
}

/* Whether there is any, and in LEFT how much. */
static bool time_left(uint64_t deadline, struct timespec *left)
{
	uint64_t now = clock_monotonic(), ns = deadline > now ? deadline - now : 0;

	*left = (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
	return ns;
}

/* The timeout is looked at between messages only, and what is left of it is told, as the kernel does. */
int rsocket_recvmmsg(int fd, struct mmsghdr *vec, unsigned int count, int flags, struct timespec *timeout)
{
	uint64_t deadline = 0;
	ssize_t bytes = 0;
	unsigned int n;

	if (dgram_is(fd) && dgram_plain(fd))
		return (int)sys_call5(SYS_recvmmsg, fd, vec, count, flags, timeout);
	if (timeout && (timeout->tv_sec < 0 || (unsigned long)timeout->tv_nsec >= 1000000000))
		return -EINVAL;
	if (timeout)
		deadline = clock_monotonic() + (uint64_t)timeout->tv_sec * 1000000000ull + (uint64_t)timeout->tv_nsec;
	for (n = 0; n < count && n < IOV_MAX; n++) {
		if (n > 0 && timeout && !time_left(deadline, timeout))
			break;
		bytes = rsocket_recvmsg(fd, &vec[n].msg_hdr, flags & ~MSG_WAITFORONE);
		if (bytes < 0)
			break;
		vec[n].msg_len = (unsigned int)bytes;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
	}
	if (n && timeout)
		time_left(deadline, timeout);
	return n ? (int)n : (int)bytes;
}

/* --- sending --- */

/* DIFFERS: as in rdma-core, no SIGPIPE, and ECONNRESET where a socket says EPIPE. */
static ssize_t told(ssize_t n)
{
	return n == -EPIPE ? -ECONNRESET : n;
}

/* Every byte comes after them. 0, -EAGAIN or -EINTR. */
static int finish_placements(int fd, int flags)
{
	struct conn *c = conn_get(fd);
	int error;

	if (!c)
		return 0;
	error = placement_finish(c, fd,
				 iomap_patience(c, true, load_relaxed(&c->shared->nonblock) || (flags & MSG_DONTWAIT)));
	conn_put(c);
	return error == -EBADF ? 0 : error;
}

static ssize_t transmit(int fd, const struct msghdr *msg, int flags)
{
	const struct conn *c = fdtab_conn(fd);
	struct passage p;
	ssize_t n = 0;

	if (iomap_meet_send(fd, flags) < 0)
		return -EAGAIN;
	if (c && placement_pending(c))
		n = finish_placements(fd, flags);
	if (n < 0)
		return n;
	flags |= MSG_NOSIGNAL;
	switch (stream_send_begin(fd, flags, &p)) {
	case ROUTE_PLAIN:
		n = kernel_sends(fd, msg, flags);
		stream_send_plain(&p, n);
		return told(n);
	case ROUTE_KERNEL:
		n = kernel_sends(fd, msg, passage_flags(&p, flags));
		stream_send_end(&p, fd, n, flags);
		return told(n);
	default:
		return told(stream_send(&p, fd, msg->msg_iov, (int)msg->msg_iovlen, flags));
	}
}

ssize_t rsocket_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	enum fd_kind kind = fdtab_kind(fd);

	cancel_point();
	if (kind == FD_DGRAM)
		return dgram_send(fd, msg, flags);
	if (kind != FD_CONN)
		return -EBADF;
	if (msg->msg_iovlen > IOV_MAX)
		return -EMSGSIZE;
	/* DIFFERS: as in rdma-core; sendto(2) looks past the address. */
	if (msg->msg_name && msg->msg_namelen)
		return -EISCONN;
	return transmit(fd, msg, flags);
}

ssize_t rsocket_sendto(int fd, const void *buf, size_t size, int flags, const struct sockaddr *addr, socklen_t addrlen)
{
	struct iovec iov = one(buf, size);
	struct msghdr msg = {.msg_name = (void *)(uintptr_t)addr,
			     .msg_namelen = addr ? addrlen : 0,
			     .msg_iov = &iov,
			     .msg_iovlen = 1};

	return rsocket_sendmsg(fd, &msg, flags);
}

static ssize_t send_once(int fd, const void *buf, size_t size, int flags)
{
	struct iovec iov = one(buf, size);
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (__builtin_expect(fdtab_kind(fd) == FD_CONN, 1)) {
		cancel_point();
		return transmit(fd, &msg, flags);
	}
	return rsocket_sendmsg(fd, &msg, flags);
}

ssize_t rsocket_send(int fd, const void *buf, size_t size, int flags)
{
	const bool divisible = !(flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE));
	const struct conn *c = fdtab_conn(fd);
	size_t done = 0;

	for (;;) {
		size_t piece = size - done;
		ssize_t n;

		if (piece > PIECE && divisible && c && pieces(c, conn_send_stage(c)))
			piece = PIECE;
		n = send_once(fd, (const char *)buf + done, piece, flags);
		if (n < 0)
			return done ? (ssize_t)done : n;
		done += (size_t)n;
		if ((size_t)n < piece || done == size)
			return (ssize_t)done;
	}
}

ssize_t rsocket_write(int fd, const void *buf, size_t size)
{
	return rsocket_send(fd, buf, size, 0);
}

ssize_t rsocket_writev(int fd, const struct iovec *iov, int count)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)count};

	return count < 0 || count > IOV_MAX ? -EINVAL : rsocket_sendmsg(fd, &msg, 0);
}

int rsocket_sendmmsg(int fd, struct mmsghdr *vec, unsigned int count, int flags)
{
	ssize_t bytes = 0;
	unsigned int n;

	if (dgram_is(fd) && dgram_plain(fd))
		return (int)sys_call4(SYS_sendmmsg, fd, vec, count, flags);
	for (n = 0; n < count && n < IOV_MAX; n++) {
		bytes = rsocket_sendmsg(fd, &vec[n].msg_hdr, flags);
		if (bytes < 0)
			break;
		vec[n].msg_len = (unsigned int)bytes;
	}
	return n ? (int)n : (int)bytes;
}
