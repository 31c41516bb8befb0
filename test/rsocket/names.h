/* Included before each source of a conformance program that is built a second time: its socket calls become rsocket calls. What
 * is not an rsocket there, such as a pipe, is still served by libc. */
#ifndef RSOCKET_NAMES_H
#define RSOCKET_NAMES_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <rdma/rsocket.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* An rsocket's own EBADF and libc's are the same. */
#define EITHER(type, name, params, args)                                      \
	static inline type either_##name params                               \
	{                                                                     \
		type result_ = r##name args;                                  \
		return result_ == -1 && errno == EBADF ? name args : result_; \
	}
EITHER(int, bind, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
EITHER(int, listen, (int fd, int backlog), (fd, backlog))
EITHER(int, connect, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
EITHER(int, shutdown, (int fd, int how), (fd, how))
EITHER(int, close, (int fd), (fd))
EITHER(int, dup, (int fd), (fd))
EITHER(int, getpeername, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n))
EITHER(int, getsockname, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n))
EITHER(int, setsockopt, (int fd, int level, int o, const void *v, socklen_t n), (fd, level, o, v, n))
EITHER(int, getsockopt, (int fd, int level, int o, void *v, socklen_t *n), (fd, level, o, v, n))
EITHER(ssize_t, recv, (int fd, void *b, size_t n, int flags), (fd, b, n, flags))
EITHER(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags))
EITHER(ssize_t, read, (int fd, void *b, size_t n), (fd, b, n))
EITHER(ssize_t, readv, (int fd, const struct iovec *v, int n), (fd, v, n))
EITHER(ssize_t, send, (int fd, const void *b, size_t n, int flags), (fd, b, n, flags))
EITHER(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
EITHER(ssize_t, write, (int fd, const void *b, size_t n), (fd, b, n))
EITHER(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
EITHER(int, recvmmsg, (int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *t), (fd, v, n, flags, t))
EITHER(int, sendmmsg, (int fd, struct mmsghdr *v, unsigned n, int flags), (fd, v, n, flags))
EITHER(ssize_t, recvfrom, (int fd, void *b, size_t n, int flags, struct sockaddr *a, socklen_t *l),
       (fd, b, n, flags, a, l))
EITHER(ssize_t, sendto, (int fd, const void *b, size_t n, int flags, const struct sockaddr *a, socklen_t l),
       (fd, b, n, flags, a, l))

static inline int either_socket(int domain, int type, int protocol)
{
	int fd = rsocket(domain, type, protocol);

	return fd == -1 && errno == ENOTSUP ? socket(domain, type, protocol) : fd;
}

static inline int either_fcntl(int fd, int command, ...)
{
	va_list args;
	long argument;
	int result;

	va_start(args, command);
	argument = va_arg(args, long);
	va_end(args);
	result = rfcntl(fd, command, argument);
	return result == -1 && errno == EBADF ? fcntl(fd, command, argument) : result;
}

#undef EITHER
#define socket(...) either_socket(__VA_ARGS__)
#define bind(...) either_bind(__VA_ARGS__)
#define listen(...) either_listen(__VA_ARGS__)
/* Without raccept's inheritance. */
#define accept(fd, addr, addrlen) raccept4(fd, addr, addrlen, 0)
#define accept4(...) raccept4(__VA_ARGS__)
#define connect(...) either_connect(__VA_ARGS__)
#define shutdown(...) either_shutdown(__VA_ARGS__)
#define close(...) either_close(__VA_ARGS__)
#define dup(...) either_dup(__VA_ARGS__)
#define fcntl(...) either_fcntl(__VA_ARGS__)
#define getpeername(...) either_getpeername(__VA_ARGS__)
#define getsockname(...) either_getsockname(__VA_ARGS__)
#define setsockopt(...) either_setsockopt(__VA_ARGS__)
#define getsockopt(...) either_getsockopt(__VA_ARGS__)
#define recv(...) either_recv(__VA_ARGS__)
#define recvfrom(...) either_recvfrom(__VA_ARGS__)
#define recvmsg(...) either_recvmsg(__VA_ARGS__)
#define recvmmsg(...) either_recvmmsg(__VA_ARGS__)
#define read(...) either_read(__VA_ARGS__)
#define readv(...) either_readv(__VA_ARGS__)
#define send(...) either_send(__VA_ARGS__)
#define sendto(...) either_sendto(__VA_ARGS__)
#define sendmsg(...) either_sendmsg(__VA_ARGS__)
#define sendmmsg(...) either_sendmmsg(__VA_ARGS__)
#define write(...) either_write(__VA_ARGS__)
#define writev(...) either_writev(__VA_ARGS__)
#define poll(...) rpoll(__VA_ARGS__)
#define ppoll(...) rppoll(__VA_ARGS__)
#define select(...) rselect(__VA_ARGS__)
#define epoll_create1(...) repoll_create(__VA_ARGS__)
#define epoll_create(size) repoll_create(0)
#define epoll_ctl(...) repoll_ctl(__VA_ARGS__)
#define epoll_wait(...) repoll_wait(__VA_ARGS__)

#endif
