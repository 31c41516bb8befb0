/* A file whose close does not end: its file system is served by us, and never answers that. */
#ifndef STUCK_H
#define STUCK_H

#include <sys/types.h>

/* Opens one; *SERVER answers for it until it is killed, which ends all that waits. Whoever closes a copy waits: kill the server first.
 * -1: there can be none here. */
int stuck_open(pid_t *server);

#endif
