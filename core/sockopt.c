/* Socket options, as far as the kernel alone is not enough. */
#include "sockopt.h"
#include "errqueue.h"
#include "kernel.h"
#include "promote.h"
#include "stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <rdma/rsocket.h>
#include <string.h>

#define SO_RCVTIMEO_NEW_NUMBER 66
#define SO_SNDTIMEO_NEW_NUMBER 67
#define SO_TIMESTAMP_NEW_NUMBER 63
#define SO_TIMESTAMPNS_NEW_NUMBER 64
#define SO_TIMESTAMPING_NEW_NUMBER 65

int sockopt_carrier(int fd, void *value, socklen_t *size)
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

void sockopt_leave(int fd)
{
	struct conn *c = conn_get(fd);

	if (c) {
		promote_return(c, REASON_SOCKET_FEATURE);
		conn_put(c);
	}
}

void sockopt_asked(int fd, int level, int name)
{
	if (level == IPPROTO_TCP && name == TCP_ZEROCOPY_RECEIVE)
		sockopt_leave(fd);
}

/* DIFFERS: TCP_INFO and SO_MEMINFO tell of TCP alone, and what a ring carries is not TCP's. */
void sockopt_answered(int fd, int level, int name, void *value, socklen_t size)
{
	bool error = level == SOL_SOCKET && name == SO_ERROR, cork = level == IPPROTO_TCP && name == TCP_CORK;
	struct conn *c;
	int number;

	if ((!error && !cork) || size != sizeof number)
		return;
	c = conn_get(fd);
	if (!c)
		return;
	memcpy(&number, value, sizeof number);
	if (error && load_acquire(&c->attached))
		number = conn_error(c, number);
	if (cork && conn_send_stage(c) == STAGE_RING)
		number = (int)load_relaxed(&c->shared->cork);
	memcpy(value, &number, sizeof number);
	conn_put(c);
}

/* Options that put the time of arrival into control messages, under their old and their new numbers. */
static const int timestamps[] = {SO_TIMESTAMP,
				 SO_TIMESTAMPNS,
				 SO_TIMESTAMPING,
				 SO_TIMESTAMP_NEW_NUMBER,
				 SO_TIMESTAMPNS_NEW_NUMBER,
				 SO_TIMESTAMPING_NEW_NUMBER};
#define TIMESTAMPS (sizeof timestamps / sizeof *timestamps)

static bool is_timestamp(int name)
{
	for (size_t i = 0; i < TIMESTAMPS; i++)
		if (timestamps[i] == name)
			return true;
	return false;
}

bool sockopt_timestamps(int fd)
{
	for (size_t i = 0; i < TIMESTAMPS; i++) {
		int value = 0;
		socklen_t size = sizeof value;

		if (kernel_getsockopt(fd, SOL_SOCKET, timestamps[i], &value, &size) == 0 && value)
			return true;
	}
	return false;
}

static uint64_t timeval_ns(const void *value)
{
	struct timeval tv;

	memcpy(&tv, value, sizeof tv);
	return (uint64_t)tv.tv_sec * 1000000000ull + (uint64_t)tv.tv_usec * 1000;
}

bool sockopt_kept(int fd, int level, int name, const void *value, socklen_t size)
{
	struct conn *c;
	int number;
	bool kept;

	if (level != IPPROTO_TCP || name != TCP_CORK || size < sizeof number || !value)
		return false;
	c = conn_get(fd);
	if (!c)
		return false;
	memcpy(&number, value, sizeof number);
	shared_lock_take(&c->shared->send_lock);
	kept = conn_send_stage(c) == STAGE_RING;
	if (kept)
		store_relaxed(&c->shared->cork, number != 0);
	shared_lock_drop(&c->shared->send_lock);
	conn_put(c);
	return kept;
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

void sockopt_set(int fd, int level, int name, const void *value, socklen_t size)
{
	struct conn *c;
	int number = 0;

	if (size >= sizeof number)
		memcpy(&number, value, sizeof number);
	if (level == IPPROTO_TCP) {
		if (name == TCP_CORK && !number)
			uncorked(fd);
		if (name == TCP_ULP || ((name == TCP_REPAIR || name == TCP_INQ) && number))
			sockopt_leave(fd);
		return;
	}
	if (level != SOL_SOCKET)
		return;
	if ((is_timestamp(name) && number) || (name == SO_PEEK_OFF && number >= 0)) {
		sockopt_leave(fd);
		return;
	}
	c = conn_get(fd);
	if (!c)
		return;
	if (name == SO_ZEROCOPY)
		errqueue_option(c, number);
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

void sockopt_nonblock(int fd, bool nonblock)
{
	struct conn *c = conn_get(fd);

	if (c) {
		store_relaxed(&c->shared->nonblock, nonblock);
		conn_put(c);
	}
}
