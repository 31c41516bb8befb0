/* A stretch of the TCP stream that is not the program's: WIRE_STRETCH bytes by which the two ends of a connection between hosts prove to each other
 * that they are (far.h). One end holds its program's bytes back and writes it, the other one has agreed to take it out again, and nobody
 * who reads, peeks, polls or counts ever meets it. */
#ifndef RS_STRETCH_H
#define RS_STRETCH_H

#include "conn.h"

enum stretch_state {
	STRETCH_AWAITED, /* what the program is given ends before it */
	STRETCH_FOUND,   /* it came, and is gone */
	STRETCH_ABSENT   /* what is there is the program's */
};

/* Of a connection that expects one; behind the channel's head, in memory that only this process and its forked siblings share. */
struct stretch {
	uint32_t
		state; /* enum stretch_state; AWAITED until whoever looks, under recv_lock, stores another one with release; acquire.
			 * Died in the midst: what it took of TCP is lost to its forked siblings, as what it read is */
	uint32_t reserved;
	uint64_t until_ns; /* 0, or when less than a whole one is the program's: who announced it is gone. Relaxed */
	struct wire_stretch bytes; /* its nonce: constant. The rest: what came with it, stored before FOUND */
};

/* --- the end that writes it --- */

/* From now on the program's sends wait. 0, and *POSITION in the stream; -EAGAIN: not now; -EIO: never, somebody writes behind our back, or wrote urgent bytes. */
int stretch_hold(struct conn *c, uint64_t *position);
/* Writes what is left of BYTES from *DONE on at POSITION, where they are held. 1 all is written; 0 not yet; -ESTALE somebody else wrote there, or is
 * able to; or another -errno: nothing more can be. */
int stretch_write(struct conn *c, uint64_t position, const struct wire_stretch *bytes, size_t *done);
/* They go on. */
void stretch_release(struct conn *c);
/* Before a send: returns when it may go on. False: C was closed meanwhile; it is held all the same. */
bool stretch_wait(struct conn *c, uint32_t generation, int fd);

/* --- the end that takes it out --- */

/* C gets a channel of its own, at whose other end nobody is, with a ring of CAPACITY bytes that we may fill. 0 or -ENOMEM. */
int stretch_channel(struct conn *c, uint64_t capacity);

/* At POSITION comes one with NONCE, or the program's bytes. 0; -EAGAIN: not now, a thread reads; -ERANGE: the program has those bytes, or they are too
 * far away; -EIO: never. Once a connection. */
int stretch_expect(struct conn *c, uint64_t position, const uint64_t nonce[2]);

/* Looks what has come. True: it is decided, and the stage is about to go on. Takes the receive lock. */
bool stretch_look(struct conn *c);
/* Who announced it took that back: the program's bytes are there. */
void stretch_withdraw(struct conn *c);
/* Who announced it is gone, without a word. */
void stretch_orphan(struct conn *c);
/* Before C takes no more bytes: one that comes then is answered by a reset, and what we sent is gone with it. Waits for the decision, a second and
 * a half at most. Whether it was made. */
bool stretch_await(struct conn *c);
/* Before somebody reads past us: the same, or the connection is reset. */
void stretch_finish(struct conn *c);

static inline bool stretch_awaited(const struct conn *c)
{
	const struct stretch *s = load_acquire(&c->stretch);

	return __builtin_expect(s != NULL, 0) && load_acquire(&s->state) == STRETCH_AWAITED;
}

#endif
