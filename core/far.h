/* Finding a peer on another host, and proving that it is the one, for direct data placement between two rsockets that asked for maps. The stream stays
 * on TCP. The service thread does it all (service.h), so neither program need make a call; a call of either begins it. */
#ifndef RS_FAR_H
#define RS_FAR_H

#include "conn.h"

#include <poll.h>

#define FAR_MAX 64                             /* searches at a time */
#define FAR_SIDES 4                            /* connections beside the main one that a search holds */
#define FAR_POLLED (FAR_MAX * (FAR_SIDES + 1)) /* descriptors of all of them */

/* C's peer is not on this host: looks for it, if C may have maps. 0 begun; -EAGAIN: too many are under way; -EOPNOTSUPP: there is nothing to look
 * for, or no way to. */
int far_begin(struct conn *c);
/* C is going: the search is over, and its sockets closed. */
void far_end(struct conn *c);
/* C goes where somebody reads or writes it past us: the same; a stretch that was announced is seen to. */
void far_return(struct conn *c);

/* For the thread. Whether any search is under way; */
bool far_any(void);
/* what to sleep on, at most FAR_POLLED entries, and at most *WAIT_NS; */
unsigned far_collect(struct pollfd *polled, uint64_t *wait_ns);
/* a step of each. */
void far_work(void);
/* It is no more: all searches fail. */
void far_abandon(void);

/* Around a fork, first and last: a child must not write where a stretch was announced. Enters a critical section, and leaves it; the child, by itself. */
void far_fork_prepare(void);
void far_fork_parent(void);
/* In the child: none is under way. */
void far_fork_child(void);
void far_forked(struct conn *c);

#endif
