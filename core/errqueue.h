/* The error queue of a connection: what MSG_ZEROCOPY asks for, as recvmsg(MSG_ERRQUEUE) tells it, numbers included.
 *
 * The kernel numbers the zero-copy sends of a socket from 0; as long as a connection has only been on TCP it does that, and we
 * count along. The first number that is ours - of a send into the ring, or of a placement - takes the numbering over for good: from
 * then on the kernel is not asked for zero-copy any more, also where it carries the bytes again.
 *
 * DIFFERS: who gets the descriptor by SCM_RIGHTS or across exec is numbered by the kernel, which has missed those of the ring. */
#ifndef RS_ERRQUEUE_H
#define RS_ERRQUEUE_H

#include "barrier.h"
#include "conn.h"
#include "lock.h"

#include <sys/socket.h>

/* What conn_shared.zerocopy says. */
enum {
	ZEROCOPY_KNOWN = 1, /* the next bit is what the kernel's socket has */
	ZEROCOPY_ON = 2,    /* SO_ZEROCOPY */
	ZEROCOPY_OURS = 4,  /* numbers are given by us */
	ZEROCOPY_EVER = 8,  /* was on: the kernel's queue may have notices */
};

/* Who numbers a send, and tells of its completion. */
enum numbering { NUMBERING_NONE, NUMBERING_KERNEL, NUMBERING_OURS };

/* One completion: numbers LOW to HIGH. */
struct notice {
	uint32_t low, high;
	int error;      /* 0, or the errno of a placement that failed: then it stands alone */
	uint8_t code;   /* SO_EE_CODE_* */
	uint64_t bytes; /* of a failed one: done nevertheless */
};

struct placements;

/* What this process did on the connection: a forked child begins with nothing. Made when first needed. */
struct errqueue {
	uint32_t count;   /* notices that wait; stored under the lock, read by anyone */
	uint32_t pending; /* placements that will each make one (placement.h) */
	struct lock lock;
	uint32_t first, room; /* of the array: where the notices begin, and its size */
	struct notice *notices;
	struct placements *placements;
};

/* Never fails once it succeeded. NULL: no memory. */
struct errqueue *errqueue_get(struct conn *c);
/* Place for one more notice, whatever is pending. False: no memory, which to a sender is ENOBUFS. */
bool errqueue_reserve(struct conn *c);
/* C is going, or is a forked child's copy. */
void errqueue_fini(struct conn *c);
void errqueue_forked(struct conn *c);

/* Whether poll would say POLLERR because of C's queue. */
static inline bool errqueue_waiting(const struct conn *c)
{
	const struct errqueue *q = load_acquire(&c->errors);

	return __builtin_expect(q != NULL, 0) && load_acquire(&q->count);
}

/* Before a send with MSG_ZEROCOPY: whether SO_ZEROCOPY makes it count. */
bool errqueue_counts(struct conn *c);
void errqueue_option(struct conn *c, bool on);

/* Such a send is going to the kernel, as one of its writers: who numbers it. */
enum numbering errqueue_numbering(struct conn *c);
/* It moved bytes. */
void errqueue_sent(struct conn *c, enum numbering numbering);

/* The next number. The caller knows that it is ours to give. */
uint32_t errqueue_number(struct conn *c);
/* A completion is there: whoever waits hears of it. */
void errqueue_add(struct conn *c, const struct notice *notice);

/* TCP's poll said REVENTS: takes over the notices of the kernel that its POLLERR may be about. What is left of REVENTS. */
int errqueue_sift(struct conn *c, int revents);

/* kernel_poll_now of C's socket, without what is only a notice. */
int errqueue_poll_now(struct conn *c, short events);

/* recvmsg with MSG_ERRQUEUE, for any descriptor. 0, or -errno. */
ssize_t errqueue_recvmsg(int fd, struct msghdr *msg, int flags);

#endif
