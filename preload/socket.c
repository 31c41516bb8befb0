/* Connections: how they begin, what they are asked, how they end. */
#include "conn.h"
#include "epoll.h"
#include "fdtab.h"
#include "kernel.h"
#include "process.h"
#include "promote.h"
#include "real.h"
#include "stream.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <rdma/rsocket.h>
#include <string.h>

#define SO_RCVTIMEO_NEW_NUMBER 66
#define SO_SNDTIMEO_NEW_NUMBER 67

static bool is_tcp(int fd)
{
	int protocol = 0;
	socklen_t size = sizeof protocol;

	return kernel_getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == IPPROTO_TCP;
}

/* FD is a new TCP socket. Keeps errno. */
static void track(int fd, bool accepted)
{
	int saved = errno;

	if (is_tcp(fd)) {
		struct conn *c = conn_new(fd, accepted);

		if (c && fd <= 2)
			conn_never(c, REASON_STDIO);
	}
	errno = saved;
}

/* Known from birth: what watches it before it is connected must be known too. */
EXPORT int socket(int domain, int type, int protocol)
{
	int fd = real.socket(domain, type, protocol);

	if (fd >= 0 && (domain == AF_INET || domain == AF_INET6) &&
	    (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_STREAM)
		track(fd, false);
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
		track(fd, false);
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
		track(result, true);
	return result;
}

EXPORT int accept4(int fd, struct sockaddr *addr, socklen_t *addrlen, int flags)
{
	int result = real.accept4(fd, addr, addrlen, flags);

	if (result >= 0)
		track(result, true);
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

static int carrier(int fd, void *value, socklen_t *size)
{
	struct conn *c = conn_get(fd);
	struct rdma_carrier answer = {0};

	if (!c)
		return -EOPNOTSUPP;
	if (*size < sizeof answer) {
		conn_put(c);
		return -EINVAL;
	}
	answer.send = conn_send_stage(c) == STAGE_RING ? RDMA_TRANSPORT_SHM : RDMA_TRANSPORT_TCP;
	answer.recv = conn_recv_stage(c) == STAGE_RING ? RDMA_TRANSPORT_SHM : RDMA_TRANSPORT_TCP;
	/* Committed by the peer, though nothing was read since. */
	if (conn_recv_stage(c) == STAGE_MOVING && stream_settle(c))
		answer.recv = RDMA_TRANSPORT_SHM;
	answer.reason = load_relaxed(&c->stats->reason);
	answer.send_bytes = load_relaxed(&c->stats->send_bytes);
	answer.recv_bytes = load_relaxed(&c->stats->recv_bytes);
	answer.shm_send_bytes = load_relaxed(&c->stats->shm_send_bytes);
	answer.shm_recv_bytes = load_relaxed(&c->stats->shm_recv_bytes);
	strncpy(answer.reason_code, reason_table[answer.reason].code, sizeof answer.reason_code - 1);
	conn_put(c);
	memcpy(value, &answer, sizeof answer);
	*size = sizeof answer;
	return 0;
}

/* FD uses something that only the kernel carries. */
static void leave(int fd)
{
	struct conn *c = conn_get(fd);

	if (c) {
		promote_return(c, REASON_SOCKET_FEATURE);
		conn_put(c);
	}
}

static int pending_error(int fd, void *value, socklen_t *size)
{
	int result = real.getsockopt(fd, SOL_SOCKET, SO_ERROR, value, size);
	struct conn *c = conn_get(fd);

	if (c && result == 0 && *size == sizeof(int) && load_acquire(&c->attached)) {
		int error;

		memcpy(&error, value, sizeof error);
		error = conn_error(c, error);
		memcpy(value, &error, sizeof error);
	}
	if (c)
		conn_put(c);
	return result;
}

EXPORT int getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
	if (__builtin_expect(level == SOL_RDMA && name == RDMA_CARRIER, 0))
		RETURN(carrier(fd, value, size));
	if (level == IPPROTO_TCP && name == TCP_ZEROCOPY_RECEIVE)
		leave(fd);
	if (level == SOL_SOCKET && name == SO_ERROR && fdtab_kind(fd) == FD_CONN)
		return pending_error(fd, value, size);
	return real.getsockopt(fd, level, name, value, size);
}

static uint64_t timeval_ns(const void *value)
{
	struct timeval tv;

	memcpy(&tv, value, sizeof tv);
	return (uint64_t)tv.tv_sec * 1000000000ull + (uint64_t)tv.tv_usec * 1000;
}

/* A program that corks around every write is never without a cork inside one: this is its chance to leave TCP. */
static void uncorked(int fd)
{
	struct conn *c = conn_get(fd);

	if (!c)
		return;
	if (load_acquire(&c->attached)) {
		store_relaxed(&c->corked, 0);
		shared_lock_take(&c->shared->send_lock);
		promote_commit(c);
		shared_lock_drop(&c->shared->send_lock);
	}
	conn_put(c);
}

/* The kernel took the option: what the data path must know of it. */
static void note_option(int fd, int level, int name, const void *value, socklen_t size)
{
	struct conn *c;
	int number = 0;

	if (size >= sizeof number)
		memcpy(&number, value, sizeof number);
	if (level == IPPROTO_TCP) {
		if (name == TCP_CORK && !number)
			uncorked(fd);
		if (name == TCP_ULP || ((name == TCP_REPAIR || name == TCP_INQ) && number))
			leave(fd);
		return;
	}
	if (level != SOL_SOCKET)
		return;
	if ((name == SO_ZEROCOPY && number) || (name == SO_PEEK_OFF && number >= 0)) {
		leave(fd);
		return;
	}
	c = conn_get(fd);
	if (!c)
		return;
	if (name == SO_RCVLOWAT) {
		store_relaxed(&c->shared->recv_lowat, number < 1 ? 1u : (uint32_t)number);
		stream_lowat_changed(c);
	}
	if ((name == SO_RCVTIMEO || name == SO_RCVTIMEO_NEW_NUMBER) && size >= sizeof(struct timeval))
		store_relaxed(&c->shared->recv_timeout_ns, timeval_ns(value));
	else if ((name == SO_SNDTIMEO || name == SO_SNDTIMEO_NEW_NUMBER) && size >= sizeof(struct timeval))
		store_relaxed(&c->shared->send_timeout_ns, timeval_ns(value));
	conn_put(c);
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	int result = real.setsockopt(fd, level, name, value, size);

	if (result == 0 && fdtab_kind(fd) == FD_CONN)
		note_option(fd, level, name, value, size);
	return result;
}
