/* Placements that are under way: riowrite and rioread with MSG_ZEROCOPY. No thread works on them: the calls in which a program waits do,
 * a slice at a time. */
#ifndef RS_PLACEMENT_H
#define RS_PLACEMENT_H

#include "conn.h"
#include "errqueue.h"

struct placements;

extern uint32_t placement_total; /* under way in this process; changed under a lock, read by anyone */

static inline bool placement_any(void)
{
	return __builtin_expect(load_relaxed(&placement_total) != 0, 0);
}

/* Whether C has some. */
static inline bool placement_pending(const struct conn *c)
{
	const struct errqueue *q = load_acquire(&c->errors);

	return __builtin_expect(q != NULL, 0) && load_acquire(&q->pending);
}

/* C's next one, of at least a byte. 0, or -ENOBUFS (as many as there may be are under way or were not yet told), -ENOMEM, -EAGAIN (a
 * thread is inside a zero-copy send over TCP: its number is not known yet). The caller holds C. */
int placement_start(struct conn *c, char *buf, size_t size, uint64_t offset, bool write);

/* Copies one slice of C's first one. True: some are still under way. The caller holds C. */
bool placement_slice(struct conn *c);

/* A slice of one of all connections' that have any, in turn. True: some are still under way. Nothing is held. */
bool placement_work(void);

/* Before what must come after them: all of C's are finished. Lets signals in. 0; -EAGAIN: in LIMIT_NS (0: no limit) nothing moved, the peer
 * that must be asked does not answer; -EINTR; or -EBADF: FD was closed meanwhile. The caller holds C, and holds it again afterwards. */
int placement_finish(struct conn *c, int fd, uint64_t limit_ns);

/* This process is about to let go of C, nobody waits any more: what it writes is finished, unless the peer lets us wait for a mebibyte longer
 * than a second, and what it reads dropped. */
void placement_close(struct conn *c);
/* This process is about to be another program: all of C's are finished, as far as the peer lets them. */
void placement_exec(struct conn *c);
/* Drops all. */
void placement_cancel(struct conn *c);

void placement_free(struct placements *p);
/* In a forked child: they are the parent's. */
void placement_forked(struct conn *c);

#endif
