/* Direct placement by message, where the kernel lets no process copy: who wants to place asks, and a thread of the mapper's process
 * answers (service.h). On one host a question is a message; between hosts the same goes by a TCP connection, one behind the other. */
#ifndef RS_PLACE_H
#define RS_PLACE_H

#include "conn.h"
#include "wire.h"

#include <sys/types.h>

/* Of one connection, in this process. */
struct place {
	int ask; /* -1: none */
	uint32_t
		asker; /* thread id of who asks now; 0: nobody. CAS; a thread that left by longjmp finds itself, a dead one is replaced */
	uint32_t waiting;    /* threads that wait for their turn */
	uint32_t number;     /* of the last question; by the asker */
	uint32_t broken;     /* 1: the peer broke the rules */
	uint32_t unanswered; /* questions; by the asker */
	/* A lent question whose answer did not come in time, and what was asked for; by the asker. open.what 0: none. */
	struct wire_ask open;
	uint32_t open_size;
	const char *open_buf;

	/* Between hosts; by the asker. A call may be left in the midst of either: the next asker goes on there. */
	struct wire_ask *out; /* the question being sent, and behind it room for a write's bytes; NULL: on one host */
	uint32_t out_size, out_sent; /* bytes of it */
	struct wire_answer in;       /* the answer that comes */
	uint32_t in_got, in_left;    /* bytes of its head; once it is there, what is left of those that follow */
};

struct place_question {
	char *buf;
	size_t size;
	uint64_t offset;
	bool write;
	bool lent; /* BUF is not touched before the outcome is other than -EAGAIN and -EINTR: asked again it is the same question */
	uint64_t limit_ns; /* 0: as long as it takes */
};

/* From now on P asks on FD, a TCP connection to another host. 0 or -ENOMEM: FD is the caller's. */
int place_far(struct place *p, int fd);

/* One question: copies at most WIRE_PLACE_MAX bytes between BUF and the peer's OFFSET. The caller holds C; this lets go of it
 * to wait, and holds it again whatever is returned: bytes, or -errno: -EFAULT, -EACCES as the peer says, or BUF is bad; -ECONNRESET the
 * peer's process is gone or let go of the connection; -EAGAIN the time is over, -EINTR: it may still happen; -EBADF C was closed, P is
 * gone. */
ssize_t place_ask(struct conn *c, struct place *p, const struct place_question *q);

/* In a forked child: the way to the peer is the parent's. */
void place_forked(struct place *p);
/* Nobody asks any more. */
void place_fini(struct place *p);

#endif
