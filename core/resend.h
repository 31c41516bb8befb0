/* What a direction takes along when it goes back to TCP: the bytes in its ring that nobody has read. DESIGN NOTES. They are
 * still in the producer's own ring, and TCP carried nothing since they were put there; so the producer takes them back (HEAD_TAKEN, after
 * which the consumer cannot claim them), writes them to TCP, and goes on there: the order is right, and whoever reads the socket gets
 * them, a program that knows nothing of us included. It does so when the consumer asks, by closing the tail, and of its own accord
 * when it ends or returns the direction and TCP has room for all. Until TCP took everything the direction is OWING: nothing newer
 * is written. How far it got is the kernel's count of bytes written, so that a sibling of a killed process goes on where that one
 * stopped. test/model/promote.pml is this protocol. */
#ifndef RS_RESEND_H
#define RS_RESEND_H

#include "conn.h"

/* Whether the consumer asks, or TCP is still to get what was taken back. */
static inline bool resend_due(struct conn *c)
{
	enum stage stage = conn_send_stage(c);

	return stage == STAGE_OWING || (stage == STAGE_RING && (load_relaxed(&conn_own(c)->tail) & TAIL_CLOSED));
}

/* Whether an end of our direction has to take bytes along: asked for, or unread and few enough. */
bool resend_worth(struct conn *c);

/* Moves our direction from RING to TCP with what is unread; FLAG: TAIL_FIN if it ends there too. The caller holds the send lock. */
void resend_return(struct conn *c, uint64_t flag);

/* Gives TCP what it takes of what is owed. 0: all of it, or the connection is dead; -EAGAIN. The caller holds the send lock. */
int resend_flush(struct conn *c);

/* The same from a call that would go to sleep, or came to no result. Neither the send lock nor the readiness lock is held. */
void resend_now(struct conn *c);
static inline void resend_look(struct conn *c)
{
	if (__builtin_expect(resend_due(c), 0))
		resend_now(c);
}

/* The same for every connection of this process. */
void resend_each(void);

/* The descriptor goes where nobody sends for us: waits until TCP took all, a second at most; then the connection dies visibly. */
void resend_finish(struct conn *c);

/* The last holder lets go of a connection that ends in order. RUNNING: code of the program may still write to it, then TCP's own FIN is
 * the end. */
void resend_end(struct conn *c, bool running);

#endif
