/* Rsockets: how they begin and end, and what they are called. */
#include "rsocket.h"
#include "cancel.h"
#include "dgram.h"
#include "epoll.h"
#include "kernel.h"
#include "process.h"
#include "promote.h"
#include "sockopt.h"
#include "stream.h"

#include <errno.h>
#include <netinet/in.h>

#ifndef AF_IB
#define AF_IB 27
#endif

const struct rsocket_calls rsocket_calls = {
	.rows = ""
#define RCALL(type, name, params, args) #name " "
#define VRCALL(type, name, vparams, params, args) RCALL(type, name, params, args)
#include "rsocket.def"
#undef RCALL
#undef VRCALL
	,
#define RCALL(type, name, params, args) .name = rsocket_##name,
#define VRCALL(type, name, vparams, params, args) RCALL(type, name, params, args)
#include "rsocket.def"
#undef RCALL
#undef VRCALL
};

static bool is_rsocket(int fd)
{
	enum fd_kind kind = fdtab_kind(fd);

	return kind == FD_CONN || kind == FD_DGRAM;
}

/* The connection is there: it need not be used first. */
static void look_for_peer(struct conn *c)
{
	if (promote_due(c))
		promote_attempt(c);
}

/* FD is a new stream socket of an r-call. 0 or -errno. */
static int new_conn(int fd, const struct conn *listener)
{
	struct conn *c = conn_new(fd, listener != NULL);

	if (!c)
		return -ENOMEM;
	rsocket_options_init(c, listener);
	if (fd <= 2)
		conn_never(c, REASON_STDIO);
	return 0;
}

int rsocket_socket(int domain, int type, int protocol)
{
	int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), fd, error = 0;

	/* No device of ours has InfiniBand addresses. */
	if (domain == AF_IB)
		return -ENODEV;
	if ((domain != AF_INET && domain != AF_INET6) ||
	    !((kind == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP)) ||
	      (kind == SOCK_DGRAM && (protocol == 0 || protocol == IPPROTO_UDP))))
		return -ENOTSUP;
	fd = kernel_socket(domain, type, protocol);
	if (fd < 0)
		return fd;
	if (kind == SOCK_DGRAM)
		error = dgram_new(fd, domain, type & SOCK_NONBLOCK);
	else
		error = new_conn(fd, NULL);
	if (error < 0)
		sys_close(fd);
	return error < 0 ? error : fd;
}

int rsocket_bind(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	return is_rsocket(fd) ? (int)sys_call3(SYS_bind, fd, addr, addrlen) : -EBADF;
}

int rsocket_listen(int fd, int backlog)
{
	struct conn *c;
	int error;

	if (!is_rsocket(fd))
		return -EBADF;
	error = (int)sys_call2(SYS_listen, fd, backlog);
	c = error == 0 ? conn_get(fd) : NULL;
	if (c) {
		conn_never(c, REASON_LISTENING);
		conn_put(c);
	}
	return error;
}

static int accept_flags(int fd)
{
	int status = kernel_fcntl(fd, F_GETFL, 0), descriptor = kernel_fcntl(fd, F_GETFD, 0);

	return (status & O_NONBLOCK ? SOCK_NONBLOCK : 0) | (descriptor & FD_CLOEXEC ? SOCK_CLOEXEC : 0);
}

/* DIFFERS: from accept(2), as in rdma-core: O_NONBLOCK and FD_CLOEXEC are inherited. */
int rsocket_accept(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	return rsocket_accept4(fd, addr, addrlen, is_rsocket(fd) ? accept_flags(fd) : 0);
}

int rsocket_accept4(int fd, struct sockaddr *addr, socklen_t *addrlen, int flags)
{
	struct conn *listener = fdtab_conn(fd);
	int new, error, type;

	/* DIFFERS: EINVAL of accept(2) where nobody listened, as in rdma-core. */
	if (!listener || load_relaxed(&listener->stats->reason) != REASON_LISTENING)
		return -EBADF;
	cancel_point();
	type = cancel_enter();
	new = (int)sys_call4(SYS_accept4, fd, addr, addrlen, flags);
	cancel_leave(type);
	if (new < 0)
		return new;
	listener = conn_get(fd);
	if (!listener) { /* closed meanwhile by another thread */
		sys_close(new);
		return -EBADF;
	}
	error = new_conn(new, listener);
	conn_put(listener);
	if (error < 0) {
		sys_close(new);
		return error;
	}
	/* Its peer is not looked for yet: many a server forks now, and it is the child that is to be found. */
	return new;
}

/* Connecting to nothing resets what there was, and the socket is a new one. */
static int disconnect(struct conn *c, int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	struct rsocket_options options = c->rsocket;
	int error;

	c->rsocket.route = NULL;
	store_relaxed(&c->reset, 1);
	conn_close(c, fd);
	error = (int)sys_call3(SYS_connect, fd, addr, addrlen);
	c = conn_new(fd, false);
	if (c) {
		rsocket_options_init(c, NULL);
		c->rsocket = options;
	} else if (options.route) {
		kernel_unmap(options.route, WIRE_PAGE);
	}
	return error;
}

int rsocket_connect(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	struct conn *c;
	int error, type;

	if (!is_rsocket(fd))
		return -EBADF;
	c = fdtab_conn(fd);
	if (c && addr && addrlen >= sizeof addr->sa_family && addr->sa_family == AF_UNSPEC && process_is_us())
		return disconnect(c, fd, addr, addrlen);
	if (dgram_is(fd))
		dgram_connecting(fd);
	cancel_point();
	type = cancel_enter();
	error = (int)sys_call3(SYS_connect, fd, addr, addrlen);
	cancel_leave(type);
	/* Whoever met it meanwhile met another. */
	if (dgram_is(fd))
		dgram_connecting(fd);
	if ((error == 0 || error == -EINPROGRESS || error == -EINTR) && (c = conn_get(fd))) {
		conn_opened(c);
		if (error == 0)
			look_for_peer(c);
		conn_put(c);
	}
	return error;
}

int rsocket_shutdown(int fd, int how)
{
	struct conn *c;
	int error;

	if (!is_rsocket(fd))
		return -EBADF;
	c = conn_get(fd);
	if (!c) {
		dgram_pin(fd);
		return (int)sys_call2(SYS_shutdown, fd, how);
	}
	error = stream_shutdown(c, fd, how);
	conn_put(c);
	return error;
}

int rsocket_close(int fd)
{
	struct conn *c = fdtab_conn(fd);
	struct epset *set = fdtab_epset(fd);

	if (fdtab_kind(fd) == FD_NONE)
		return -EBADF;
	if (process_is_us()) {
		if (c)
			conn_close(c, fd);
		else if (set)
			epoll_close(set, fd);
		else
			dgram_close(fd);
	}
	return sys_close(fd);
}

/* NEW became another number for FD. */
static int copied(int fd, int new)
{
	struct conn *c;

	if (new < 0 || !process_is_us())
		return new;
	fdtab_copy(fd, new);
	c = new <= 2 ? conn_get(new) : NULL;
	if (c) {
		promote_return(c, REASON_STDIO);
		conn_put(c);
	}
	return new;
}

int rsocket_dup(int fd)
{
	return fdtab_kind(fd) == FD_NONE ? -EBADF : copied(fd, kernel_fcntl(fd, F_DUPFD, 0));
}

int rsocket_fcntl(int fd, int command, long argument)
{
	int result;

	if (fdtab_kind(fd) == FD_NONE)
		return -EBADF;
	result = kernel_fcntl(fd, command, argument);
	if (result < 0)
		return result;
	if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
		return copied(fd, result);
	if (command == F_SETFL && dgram_is(fd)) {
		if (argument & O_ASYNC)
			dgram_pin(fd);
		dgram_nonblock(fd, argument & O_NONBLOCK);
	}
	if (command == F_SETFL && fdtab_kind(fd) == FD_CONN) {
		if (argument & O_ASYNC)
			sockopt_leave(fd);
		sockopt_nonblock(fd, argument & O_NONBLOCK);
	}
	return result;
}

int rsocket_getpeername(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	return is_rsocket(fd) ? (int)sys_call3(SYS_getpeername, fd, addr, addrlen) : -EBADF;
}

int rsocket_getsockname(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	return is_rsocket(fd) ? (int)sys_call3(SYS_getsockname, fd, addr, addrlen) : -EBADF;
}
