/* Reading and writing. */
#include "errqueue.h"
#include "fdtab.h"
#include "kernel.h"
#include "process.h"
#include "promote.h"
#include "real.h"
#include "stream.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Whether a receive with FLAGS takes bytes of the stream. */
#define TAKEN(flags) (!((flags) & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE)))

/* The three ways of a receiving call. IOV, COUNT, FLAGS: the call as a recvmsg; KERNEL: the call itself. */
#define RECEIVE(fd, iov, count, flags, kernel)                                       \
	do {                                                                         \
		struct passage passage_;                                             \
		ssize_t n_;                                                          \
		cancellation_point();                                                \
		switch (stream_recv_begin(fd, &passage_)) {                          \
		case ROUTE_PLAIN:                                                    \
			n_ = (kernel);                                               \
			stream_recv_plain(&passage_, n_, TAKEN(flags));              \
			return n_;                                                   \
		case ROUTE_KERNEL:                                                   \
			n_ = (kernel);                                               \
			stream_recv_end(&passage_, fd, n_, TAKEN(flags));            \
			return n_;                                                   \
		default:                                                             \
			RETURN(stream_recv(&passage_, fd, iov, count, flags, NULL)); \
		}                                                                    \
	} while (0)

/* KERNEL gets its flags from SENT. */
#define SENT(flags) passage_flags(&passage_, flags)

/* MSG: what comes with the bytes, an address or control messages; or NULL. */
#define SEND_CHECKED(fd, msg, iov, count, flags, kernel)                            \
	do {                                                                        \
		struct passage passage_;                                            \
		ssize_t n_;                                                         \
		cancellation_point();                                               \
		switch (stream_send_begin(fd, flags, &passage_)) {                  \
		case ROUTE_PLAIN:                                                   \
			n_ = (kernel);                                              \
			stream_send_plain(&passage_, n_);                           \
			return n_;                                                  \
		case ROUTE_KERNEL:                                                  \
			n_ = (kernel);                                              \
			stream_send_end(&passage_, fd, n_, flags);                  \
			return n_;                                                  \
		default:                                                            \
			n_ = stream_send_company(fd, msg);                          \
			if (n_ < 0)                                                 \
				conn_put(passage_.conn);                            \
			else                                                        \
				n_ = stream_send(&passage_, fd, iov, count, flags); \
			RETURN(n_);                                                 \
		}                                                                   \
	} while (0)

#define SEND(fd, iov, count, flags, kernel) SEND_CHECKED(fd, NULL, iov, count, flags, kernel)

/* The look-up that everything else costs. */
static inline bool ours(int fd)
{
	return __builtin_expect(fdtab_kind(fd) == FD_CONN, 0);
}

static struct iovec one(const void *buf, size_t size)
{
	return (struct iovec){(void *)(uintptr_t)buf, size < IOV_BYTES_MAX ? size : IOV_BYTES_MAX};
}

/* Apart, so that the look-up and the jump are all that a file sees of it: no frame, no register saved. */
static __attribute__((noinline)) ssize_t read_connection(int fd, void *buf, size_t size)
{
	struct iovec iov = one(buf, size);

	RECEIVE(fd, &iov, 1, 0, real.read(fd, buf, size));
}

EXPORT ssize_t read(int fd, void *buf, size_t size)
{
	/* A read of nothing never looks at the socket. */
	if (ours(fd) && size)
		return read_connection(fd, buf, size);
	return real.read(fd, buf, size);
}

static __attribute__((noinline)) ssize_t write_connection(int fd, const void *buf, size_t size)
{
	struct iovec iov = one(buf, size);

	SEND(fd, &iov, 1, 0, real.write(fd, buf, size));
}

EXPORT ssize_t write(int fd, const void *buf, size_t size)
{
	return ours(fd) ? write_connection(fd, buf, size) : real.write(fd, buf, size);
}

static bool all_empty(const struct iovec *iov, int count)
{
	for (int i = 0; i < count; i++)
		if (iov[i].iov_len)
			return false;
	return true;
}

EXPORT ssize_t readv(int fd, const struct iovec *iov, int count)
{
	if (!ours(fd) || count < 0 || count > IOV_MAX || all_empty(iov, count))
		return real.readv(fd, iov, count);
	RECEIVE(fd, iov, count, 0, real.readv(fd, iov, count));
}

EXPORT ssize_t writev(int fd, const struct iovec *iov, int count)
{
	if (!ours(fd) || count < 0 || count > IOV_MAX || all_empty(iov, count))
		return real.writev(fd, iov, count);
	SEND(fd, iov, count, 0, real.writev(fd, iov, count));
}

/* A socket has no position: only offset -1 reaches it. RWF_NOWAIT is MSG_DONTWAIT, the flags about storage mean nothing to it,
 * and those that it does not know the kernel refuses. */
#define RWF_SOCKET (RWF_NOWAIT | RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND)

static ssize_t read_at(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
	if (!ours(fd) || offset != -1 || (flags & ~RWF_SOCKET) || count < 0 || count > IOV_MAX || all_empty(iov, count))
		return real.preadv2(fd, iov, count, offset, flags);
	RECEIVE(fd, iov, count, flags & RWF_NOWAIT ? MSG_DONTWAIT : 0, real.preadv2(fd, iov, count, offset, flags));
}

static ssize_t write_at(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
	if (!ours(fd) || offset != -1 || (flags & ~RWF_SOCKET))
		return real.pwritev2(fd, iov, count, offset, flags);
	SEND(fd, iov, count, flags & RWF_NOWAIT ? MSG_DONTWAIT : 0, real.pwritev2(fd, iov, count, offset, flags));
}

EXPORT ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
	return read_at(fd, iov, count, offset, flags);
}

EXPORT ssize_t preadv64v2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
	return read_at(fd, iov, count, offset, flags);
}

EXPORT ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
	return write_at(fd, iov, count, offset, flags);
}

EXPORT ssize_t pwritev64v2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
	return write_at(fd, iov, count, offset, flags);
}

/* Of the error queue; it takes no byte of the stream, and never waits. */
static ssize_t receive_error(int fd, const struct iovec *iov, int flags, struct sockaddr *addr, socklen_t *addrlen)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = 1};
	ssize_t n;

	if (addr && addrlen) {
		msg.msg_name = addr;
		msg.msg_namelen = *addrlen;
	}
	cancellation_point();
	n = errqueue_recvmsg(fd, &msg, flags);
	if (n >= 0 && msg.msg_name)
		*addrlen = msg.msg_namelen;
	RETURN(n);
}

EXPORT ssize_t recv(int fd, void *buf, size_t size, int flags)
{
	struct iovec iov;

	if (!ours(fd))
		return real.recv(fd, buf, size, flags);
	iov = one(buf, size);
	if (flags & MSG_ERRQUEUE)
		return receive_error(fd, &iov, flags, NULL, NULL);
	RECEIVE(fd, &iov, 1, flags, real.recv(fd, buf, size, flags));
}

EXPORT ssize_t send(int fd, const void *buf, size_t size, int flags)
{
	struct iovec iov;

	if (!ours(fd))
		return real.send(fd, buf, size, flags);
	iov = one(buf, size);
	SEND(fd, &iov, 1, flags, real.send(fd, buf, size, SENT(flags)));
}

/* recvfrom of the engine: a connected stream gives no address, but there must be a place for none. */
static ssize_t receive_from(const struct passage *p, int fd, const struct iovec *iov, int flags,
			    const struct sockaddr *addr, socklen_t *addrlen)
{
	ssize_t n = stream_recv(p, fd, iov, 1, flags, NULL);

	if (n < 0 || !addr)
		return n;
	if (!addrlen)
		return -EFAULT;
	if ((int)*addrlen < 0)
		return -EINVAL;
	*addrlen = 0;
	return n;
}

EXPORT ssize_t recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *addr, socklen_t *addrlen)
{
	struct iovec iov;
	struct passage p;
	ssize_t n;

	if (!ours(fd))
		return real.recvfrom(fd, buf, size, flags, addr, addrlen);
	iov = one(buf, size);
	if (flags & MSG_ERRQUEUE)
		return receive_error(fd, &iov, flags, addr, addrlen);
	cancellation_point();
	switch (stream_recv_begin(fd, &p)) {
	case ROUTE_PLAIN:
		n = real.recvfrom(fd, buf, size, flags, addr, addrlen);
		stream_recv_plain(&p, n, TAKEN(flags));
		return n;
	case ROUTE_KERNEL:
		n = real.recvfrom(fd, buf, size, flags, addr, addrlen);
		stream_recv_end(&p, fd, n, TAKEN(flags));
		return n;
	default:
		RETURN(receive_from(&p, fd, &iov, flags, addr, addrlen));
	}
}

EXPORT ssize_t sendto(int fd, const void *buf, size_t size, int flags, const struct sockaddr *addr, socklen_t addrlen)
{
	struct iovec iov;

	/* Too long an address the kernel refuses, whoever carries the bytes. */
	if (!ours(fd) || (addr && addrlen > sizeof(struct sockaddr_storage)))
		return real.sendto(fd, buf, size, flags, addr, addrlen);
	iov = one(buf, size);
	if (addr) {
		struct msghdr msg = {.msg_name = (void *)(uintptr_t)addr, .msg_namelen = addrlen};

		SEND_CHECKED(fd, &msg, &iov, 1, flags, real.sendto(fd, buf, size, SENT(flags), addr, addrlen));
	}
	SEND(fd, &iov, 1, flags, real.sendto(fd, buf, size, SENT(flags), addr, addrlen));
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct passage p;
	ssize_t n;
	int out_flags = 0;

	if (!ours(fd))
		return real.recvmsg(fd, msg, flags);
	cancellation_point();
	if (flags & MSG_ERRQUEUE)
		RETURN(errqueue_recvmsg(fd, msg, flags));
	switch (stream_recv_begin(fd, &p)) {
	case ROUTE_PLAIN:
		n = real.recvmsg(fd, msg, flags);
		stream_recv_plain(&p, n, TAKEN(flags));
		return n;
	case ROUTE_KERNEL:
		n = real.recvmsg(fd, msg, flags);
		stream_recv_end(&p, fd, n, TAKEN(flags));
		return n;
	default:
		n = msg->msg_iovlen > IOV_MAX ? -EMSGSIZE : msg->msg_name && (int)msg->msg_namelen < 0 ? -EINVAL : 0;
		if (n < 0)
			conn_put(p.conn);
		else
			n = stream_recv(&p, fd, msg->msg_iov, (int)msg->msg_iovlen, flags, &out_flags);
		if (n >= 0) {
			msg->msg_flags = out_flags | (flags & MSG_CMSG_CLOEXEC);
			msg->msg_controllen = 0;
			if (msg->msg_name)
				msg->msg_namelen = 0;
		}
		RETURN(n);
	}
}

/* Descriptors that a message passes on: what their receiver does with them we cannot see, so they go back to TCP first. */
static int passing(const struct msghdr *msg)
{
	struct msghdr copy = *msg;

	if (!msg->msg_control || !msg->msg_controllen)
		return 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&copy); c; c = CMSG_NXTHDR(&copy, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(0))
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			struct conn *conn;
			int fd, error = 0;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			conn = conn_get(fd);
			if (!conn)
				continue;
			error = promote_return(conn, REASON_RETURNED_PASSED);
			conn_put(conn);
			if (error < 0)
				return error;
		}
	}
	return 0;
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	if (!ours(fd)) {
		int error = msg ? passing(msg) : 0;

		if (error < 0)
			RETURN((ssize_t)error);
		return real.sendmsg(fd, msg, flags);
	}
	if (msg->msg_iovlen > IOV_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	SEND_CHECKED(fd, msg, msg->msg_iov, (int)msg->msg_iovlen, flags, real.sendmsg(fd, msg, SENT(flags)));
}

EXPORT int recvmmsg(int fd, struct mmsghdr *vec, unsigned int count, int flags, struct timespec *timeout)
{
	uint64_t deadline = 0;
	unsigned int n;

	if (!ours(fd) || (timeout && (timeout->tv_sec < 0 || (unsigned long)timeout->tv_nsec >= 1000000000)))
		return real.recvmmsg(fd, vec, count, flags, timeout);
	if (timeout)
		deadline = clock_monotonic() + (uint64_t)timeout->tv_sec * 1000000000ull + (uint64_t)timeout->tv_nsec;
	if (count > IOV_MAX)
		count = IOV_MAX;
	for (n = 0; n < count; n++) {
		ssize_t bytes = recvmsg(fd, &vec[n].msg_hdr, flags & ~MSG_WAITFORONE);

		if (bytes < 0)
			break;
		vec[n].msg_len = (unsigned int)bytes;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		/* The timeout is looked at between messages only, and what is left of it is told, as the kernel does. */
		if (timeout) {
			uint64_t now = clock_monotonic(), left = deadline > now ? deadline - now : 0;

			timeout->tv_sec = (time_t)(left / 1000000000);
			timeout->tv_nsec = (long)(left % 1000000000);
			if (!left) {
				n++;
				break;
			}
		}
	}
	return n ? (int)n : count ? -1 : 0;
}

EXPORT int sendmmsg(int fd, struct mmsghdr *vec, unsigned int count, int flags)
{
	unsigned int n;

	if (!ours(fd)) {
		for (n = 0; n < count; n++) {
			int error = passing(&vec[n].msg_hdr);

			if (error < 0)
				RETURN(error);
		}
		return real.sendmmsg(fd, vec, count, flags);
	}
	if (count > IOV_MAX)
		count = IOV_MAX;
	for (n = 0; n < count; n++) {
		ssize_t bytes = sendmsg(fd, &vec[n].msg_hdr, flags);

		if (bytes < 0)
			break;
		vec[n].msg_len = (unsigned int)bytes;
	}
	return n ? (int)n : count ? -1 : 0;
}

EXPORT ssize_t __read_chk(int fd, void *buf, size_t size, size_t room)
{
	return !ours(fd) || size > room ? real.__read_chk(fd, buf, size, room) : read(fd, buf, size);
}

EXPORT ssize_t __recv_chk(int fd, void *buf, size_t size, size_t room, int flags)
{
	return !ours(fd) || size > room ? real.__recv_chk(fd, buf, size, room, flags) : recv(fd, buf, size, flags);
}

EXPORT ssize_t __recvfrom_chk(int fd, void *buf, size_t size, size_t room, int flags, struct sockaddr *addr,
			      socklen_t *addrlen)
{
	return !ours(fd) || size > room ? real.__recvfrom_chk(fd, buf, size, room, flags, addr, addrlen)
					: recvfrom(fd, buf, size, flags, addr, addrlen);
}

/* Whether sendfile can read IN: what can be wound; a socket or a terminal the kernel refuses, and moves no byte. Where there is an
 * OFFSET the read itself says so, and takes nothing. */
static bool sendable(int in, const off_t *offset, size_t size)
{
	struct stat st;

	if (offset && size)
		return *offset >= 0;
	return fstat(in, &st) == 0 && !S_ISDIR(st.st_mode) && sys_call3(SYS_lseek, in, 0, SEEK_CUR) >= 0;
}

static bool is_pipe(int fd, int end)
{
	struct stat st;
	int mode = kernel_fcntl(fd, F_GETFL, 0) & O_ACCMODE;

	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && (mode == end || mode == O_RDWR);
}

/* From the connection IN into the pipe OUT. KERNEL: the call itself. */
#define TO_PIPE(in, out, size, nonblock, kernel)                                    \
	do {                                                                        \
		struct passage passage_;                                            \
		ssize_t n_;                                                         \
		cancellation_point();                                               \
		switch (stream_recv_begin(in, &passage_)) {                         \
		case ROUTE_PLAIN:                                                   \
			n_ = (kernel);                                              \
			stream_recv_plain(&passage_, n_, true);                     \
			return n_;                                                  \
		case ROUTE_KERNEL:                                                  \
			n_ = (kernel);                                              \
			stream_recv_end(&passage_, in, n_, true);                   \
			return n_;                                                  \
		default:                                                            \
			RETURN(stream_recv_to(&passage_, in, out, size, nonblock)); \
		}                                                                   \
	} while (0)

EXPORT ssize_t sendfile(int out, int in, off_t *offset, size_t size)
{
	struct passage p;
	ssize_t n;

	/* The kernel takes this for a splice. */
	if (ours(in) && !offset && is_pipe(out, O_WRONLY))
		TO_PIPE(in, out, size, false, real.sendfile(out, in, offset, size));
	/* What may be sent at all the kernel decides: an empty request has the same answer. */
	if (!ours(out) || !sendable(in, offset, size))
		return real.sendfile(out, in, offset, size);
	cancellation_point();
	switch (stream_send_begin(out, 0, &p)) {
	case ROUTE_PLAIN:
		n = real.sendfile(out, in, offset, size);
		stream_send_plain(&p, n);
		return n;
	case ROUTE_KERNEL:
		n = real.sendfile(out, in, offset, size);
		stream_send_end(&p, out, n, 0);
		return n;
	default:
		n = stream_send_from(&p, out, in, offset, size, true, false);
		RETURN(n == -EISDIR ? -EINVAL : n);
	}
}

EXPORT ssize_t sendfile64(int out, int in, off_t *offset, size_t size)
{
	return sendfile(out, in, offset, size);
}

#define SPLICE_FLAGS (SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)

EXPORT ssize_t splice(int in, off_t *in_offset, int out, off_t *out_offset, size_t size, unsigned int flags)
{
	bool nonblock = flags & SPLICE_F_NONBLOCK;
	struct passage p;
	ssize_t n;

	/* Anything else the kernel refuses, whoever has the bytes. */
	if (in_offset || out_offset || (flags & ~SPLICE_FLAGS) || size == 0)
		return real.splice(in, in_offset, out, out_offset, size, flags);
	if (ours(in) && is_pipe(out, O_WRONLY))
		TO_PIPE(in, out, size, nonblock, real.splice(in, NULL, out, NULL, size, flags));
	cancellation_point();
	if (ours(out) && is_pipe(in, O_RDONLY)) {
		switch (stream_send_begin(out, 0, &p)) {
		case ROUTE_ENGINE:
			RETURN(stream_send_from(&p, out, in, NULL, size, false, nonblock));
		case ROUTE_KERNEL:
			n = real.splice(in, NULL, out, NULL, size, flags);
			stream_send_end(&p, out, n, flags & SPLICE_F_MORE ? MSG_MORE : 0);
			return n;
		default:
			break;
		}
	}
	return real.splice(in, in_offset, out, out_offset, size, flags);
}
