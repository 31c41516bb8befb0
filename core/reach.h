/* Whether the kernel lets one process copy into the memory of another: asked, not guessed, by reading a token there. */
#ifndef RS_REACH_H
#define RS_REACH_H

#include "wire.h"

#include <stdbool.h>
#include <sys/socket.h>

/* What this process's memory shows to those who think they know it; constant, another one in a forked child. NULL: there is no entropy. */
const uint64_t *reach_token(void);

/* What PEER needs for reach_probe: nothing if it is another user's. */
void reach_tell(struct wire_reach *reach, const struct ucred *peer);

/* Lets PEER into our memory where yama wants to be asked, if it is of our user. A process can allow one: the first that lives. */
void reach_let_in(const struct ucred *peer);

/* Whether this process can copy to and from PEER, as the kernel names it, which sent REACH. Only asked for a peer of our own user:
 * another one could name any process. */
bool reach_probe(const struct wire_reach *reach, const struct ucred *peer);

/* In a forked child: nobody holds a lock. */
void reach_forked(void);

#endif
