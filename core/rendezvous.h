/* Finding the other end of a connection and proving that it is: no daemon, no registry, the 4-tuple is the address.
 * The end whose (address, port) sorts lower (side 0) listens on an abstract unix name made of it, the other one connects. */
#ifndef RS_RENDEZVOUS_H
#define RS_RENDEZVOUS_H

#include "conn.h"
#include "diag.h"
#include "rule.h"

#include <sys/socket.h>

struct rendezvous {
	int side;
	int listener; /* side 0; -1: none */
	int fd;       /* to the peer; -1: none */
	bool hello_sent;
	struct tuple tuple;
	bool owner_known;
	struct diag_owner owner; /* of the peer's end, if known */
	struct ucred peer;       /* of who is at the other end of FD */
	bool direct;             /* side 0, once it granted: the kernel lets us into the peer's memory */
	uint64_t granted_ns;     /* and when that was, by CLOCK_MONOTONIC */
};

/* C as rules see it, whose ends T names. */
struct rule_subject rendezvous_subject(const struct conn *c, const struct tuple *t);

/* How bytes are placed into the memory of the peer, and by the peer into ours (iomap.h). */
struct placing {
	bool direct;  /* we copy */
	bool exposed; /* the peer copies */
	int ask,
		serve; /* where one of them cannot: we ask the peer there, and it asks us; descriptors of ours. -1: none */
};

/* What both ends agreed on. */
struct meeting {
	struct wire_channel *channel;
	size_t channel_size;
	uint64_t capacity[2];
	uint16_t maps[2];
	struct link *link;
	uint32_t slot;
	struct ucred peer; /* as the kernel has it */
	bool settled;      /* PLACING is known. Otherwise rendezvous_settle finds it out; side 0 with tables */
	struct placing placing;
};

/* A search for C's peer. NULL and *REASON; *RETRY: worth trying later. */
struct rendezvous *rendezvous_new(struct conn *c, enum reason *reason, bool *retry);
void rendezvous_free(struct rendezvous *r);
/* In a forked child: whoever waits for R is the parent's. */
void rendezvous_forked(struct rendezvous *r);

/* One non-blocking step. 1 and *MEETING: met. 0: not yet. -errno and *REASON: never. */
int rendezvous_step(struct rendezvous *r, struct conn *c, struct meeting *meeting, enum reason *reason);

/* After a meeting that settled nothing. 1 and *PLACING; 0: not yet. -EPROTO: the peer went away, or broke the rules. */
int rendezvous_settle(struct rendezvous *r, struct placing *placing);

/* True once this process may not hold more listeners; the caller tries later. */
bool rendezvous_full(void);

#endif
