/* What the parts of stream.c have in common. */
#ifndef RS_STREAM_PARTS_H
#define RS_STREAM_PARTS_H

#include "stream.h"

/* Calls that moved bytes. Those that found nothing do not count: one end may poll a million times for each message of the other's. */
static inline void count_recv(struct stats_conn *s, ssize_t n)
{
	if (n <= 0)
		return;
	count_add(&s->recv_calls, 1);
	count_add(&s->recv_bytes, (uint64_t)n);
}

static inline void count_send(struct stats_conn *s, ssize_t n)
{
	if (n <= 0)
		return;
	count_add(&s->send_calls, 1);
	count_add(&s->send_bytes, (uint64_t)n);
}

/* When a wait that may last so long ends; 0: never. */
static inline uint64_t stream_deadline(uint64_t timeout_ns)
{
	return timeout_ns ? clock_monotonic() + timeout_ns : 0;
}

/* The next LEFT bytes of a walk as iovecs for the kernel; at most MAX of them. Returns how many. */
int stream_walk_iov(const struct iov_walk *walk, size_t left, struct iovec *iov, int max);
/* What the kernel says of a send that cannot succeed, its SIGPIPE left to the caller. */
ssize_t stream_broken(struct conn *c);
void stream_raise_sigpipe(void);

#endif
