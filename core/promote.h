/* Promotion: finding the other end, proving it, agreeing, and switching each direction at its byte offset. Every step is
 * non-blocking and happens inside calls that the application makes anyway; both ends may be one thread. */
#ifndef RS_PROMOTE_H
#define RS_PROMOTE_H

#include "conn.h"

/* C is new, or has other settings now: from when on the peer is looked for. */
void promote_begin(struct conn *c);

/* After a kernel read or write on a connection that is not attached yet: an attempt if it is due. */
void promote_attempt(struct conn *c);

/* An attempt now, for somebody who waits for the peer, or for how bytes are placed; it does not bring the end of the search nearer. */
void promote_look(struct conn *c);

/* Whether no peer is looked for any more; calls are counted that long. One that stays on TCP for what only the stream cares for may still have maps (iomap.h). */
static inline bool promote_over(const struct conn *c)
{
	uint32_t reason = load_relaxed(&c->stats->reason);

	return load_relaxed(&c->over) ||
	       (load_relaxed(&c->never) && load_relaxed(&c->far) != FAR_SEARCHING &&
		!(c->rsocket.iomap_size &&
		  (reason == REASON_SETTING || reason == REASON_RULE || reason == REASON_STDIO ||
		   reason == REASON_SOCKET_FEATURE || reason == REASON_RETURNED_FEATURE || reason == REASON_REMOTE)));
}

/* What an attempt found, unless C stays on TCP for a reason of its own. */
static inline void promote_reason(struct conn *c, enum reason reason)
{
	if (!load_relaxed(&c->never))
		conn_reason(c, reason);
}

static inline bool promote_due(const struct conn *c)
{
	if (load_relaxed(&c->attached) || promote_over(c))
		return false;
	return load_relaxed(&c->stats->recv_calls) + load_relaxed(&c->stats->send_calls) >=
		       load_relaxed(&c->next_calls) ||
	       load_relaxed(&c->stats->recv_bytes) + load_relaxed(&c->stats->send_bytes) >=
		       load_relaxed(&c->next_bytes);
}

/* From inside a read, before it: lets the peer move its direction off TCP, if no kernel read is under way. */
void promote_consent(struct conn *c);

/* From inside a write, before it: moves our direction if the peer consented and no kernel write is under way. The caller
 * holds the send lock. Returns whether the send stage is STAGE_RING now. */
bool promote_commit(struct conn *c);

/* Before this process gives the connection's next number (errqueue.h): from then on the kernel gives none. False: a thread is inside a
 * zero-copy write of the kernel's, whose number nobody knows yet. */
bool promote_numbers(struct conn *c);

/* Moves both directions back to TCP, for good: our own at once, with what the peer has not read of it; the peer's as soon as it notices,
 * and then it sends by TCP what we have not read. Returns 0, or -EBUSY when bytes wait in the ring that nobody will send
 * again: only this process can read them. */
int promote_return(struct conn *c, enum reason reason);

/* Ours alone, with the send lock held. */
void promote_return_send(struct conn *c, enum reason reason);

/* Drops a search that is under way. */
void promote_cancel(struct conn *c);
/* The same in a forked child: closes the child's copies. */
void promote_forked(struct conn *c);

/* Whether a kernel call is under way that COUNTER, of C, counts. */
bool promote_calls_under_way(const struct conn *c, const uint64_t *counter);
/* TCP's part in whether a stretch of bytes can be fitted in now: established, and not corked. */
bool promote_established(int fd);
bool promote_corked(struct conn *c);
/* Whether nothing more will come from FD's peer. */
bool promote_peer_ended(int fd);
/* What the data path must know of C's socket without asking. */
void promote_learn(struct conn *c);

/* Positions in the TCP byte streams of FD, from the kernel. 0 or -errno. */
int promote_written(int fd, uint64_t *position);
int promote_read(int fd, uint64_t *position);
int promote_received(int fd, uint64_t *position);

#endif
