/* Connections: how they begin, what they are asked, how they end. */
#include "conn.h"
#include "fdtab.h"
#include "process.h"
#include "promote.h"
#include "real.h"
#include "sockopt.h"
#include "stream.h"

#include <errno.h>
#include <rdma/rsocket.h>

/* Known from birth: what watches it before it is connected must be known too. */
EXPORT int socket(int domain, int type, int protocol)
{
	int fd = real.socket(domain, type, protocol);

	if (fd >= 0 && (domain == AF_INET || domain == AF_INET6) &&
	    (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_STREAM)
		conn_track(fd, false);
	return fd;
}

EXPORT int listen(int fd, int backlog)
{
	int result = real.listen(fd, backlog);
	struct conn *c = result == 0 ? conn_get(fd) : NULL;

	if (c) {
		conn_never(c, REASON_LISTENING);
		conn_put(c);
	}
	return result;
}

EXPORT int connect(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	struct conn *c = fdtab_conn(fd);
	int result;

	/* Connecting to nothing resets what there was, and the socket is a new one. */
	if (c && addr && addrlen >= sizeof addr->sa_family && addr->sa_family == AF_UNSPEC && process_is_us()) {
		store_relaxed(&c->reset, 1);
		conn_close(c, fd);
		result = real.connect(fd, addr, addrlen);
		conn_track(fd, false);
		return result;
	}
	result = real.connect(fd, addr, addrlen);
	if (c && (result == 0 || errno == EINPROGRESS || errno == EINTR) && (c = conn_get(fd))) {
		conn_opened(c);
		conn_put(c);
	}
	return result;
}

EXPORT int accept(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	int result = real.accept(fd, addr, addrlen);

	if (result >= 0)
		conn_track(result, true);
	return result;
}

EXPORT int accept4(int fd, struct sockaddr *addr, socklen_t *addrlen, int flags)
{
	int result = real.accept4(fd, addr, addrlen, flags);

	if (result >= 0)
		conn_track(result, true);
	return result;
}

EXPORT int shutdown(int fd, int how)
{
	struct conn *c = conn_get(fd);
	int error;

	if (!c)
		return real.shutdown(fd, how);
	error = stream_shutdown(c, fd, how);
	conn_put(c);
	RETURN(error);
}

EXPORT int getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
	int result;

	if (__builtin_expect(level == SOL_RDMA && name == RDMA_CARRIER, 0))
		RETURN(sockopt_carrier(fd, value, size));
	if (fdtab_kind(fd) != FD_CONN)
		return real.getsockopt(fd, level, name, value, size);
	sockopt_asked(fd, level, name);
	result = real.getsockopt(fd, level, name, value, size);
	if (result == 0)
		sockopt_answered(fd, level, name, value, *size);
	return result;
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	bool ours = fdtab_kind(fd) == FD_CONN;
	int result;

	if (ours && sockopt_kept(fd, level, name, value, size))
		return 0;
	result = real.setsockopt(fd, level, name, value, size);
	if (result == 0 && ours)
		sockopt_set(fd, level, name, value, size);
	return result;
}
