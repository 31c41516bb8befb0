/* A link: what the connections between the same two processes share: a page of ready bits and each other's bells. */
#ifndef RS_LINK_H
#define RS_LINK_H

#include "bell.h"
#include "wire.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct conn;

struct link {
	struct wire_link *map;
	uint64_t id[2];
	uint64_t peer_process[2];
	pid_t peer_pid; /* as the kernel has it: a name could be another peer's */
	int side;
	int fd;             /* listener side, while later connections may be added; else -1 */
	uint32_t owner_pid; /* the process that drains it; forked children look at each connection instead */
	struct bell_page *own;
	struct peer_bells *peer;
	struct conn **conns; /* LINK_SLOTS of them; NULL: a free number */
	uint32_t refs;
	uint32_t cursor; /* slots are handed out in turn, so that a number comes back late */
	struct link *next;
};

/* Guards links, epoll sets and registrations: everything about who is ready. A leaf lock but for lock order: readiness, bell. */
void readiness_take(void); /* a thread may hold it more than once */
void readiness_drop(void);
void readiness_forked(void); /* in a forked child: nobody holds it */
extern struct link *links;

/* Listener side: a link to PEER_PROCESS, which the kernel knows as PEER_PID, with a free slot, found or made; its reference is the caller's. *SLOT is taken for C.
 * NULL and *ERROR. The caller holds the readiness lock. */
struct link *link_grant(const uint64_t peer_process[2], pid_t peer_pid, struct bell_page *own, int bells_fd,
			struct conn *c, uint32_t *slot, int *error);

/* The memory of LINK, made by link_grant, was sent: it stays open for more connections, while few do. The caller holds the readiness lock. */
void link_sent(struct link *link);

/* Connector side: the link ID, found or mapped from FD; SLOT becomes C's. The caller holds the readiness lock. */
struct link *link_join(const uint64_t id[2], int fd, struct bell_page *own, int bells_fd, struct conn *c, uint32_t slot,
		       int *error);

/* Gives SLOT back, unless a forked sibling of C's process still USES it, and drops the reference. The caller holds the readiness lock. */
void link_put(struct link *link, uint32_t slot, struct conn *c, bool used);

/* Sets the peer's ready bit for SLOT. */
void link_mark(struct link *link, uint32_t slot);

/* Whether the peer set any bit since the last drain. */
static inline bool link_has_news(const struct link *link);

/* Takes the set bits and calls FN for the connection of each. The caller holds the readiness lock. */
void link_drain(struct link *link, void (*fn)(struct conn *c));

#include "barrier.h"
static inline bool link_has_news(const struct link *link)
{
	return load_relaxed(&link->map->ready[link->side].summary) != 0;
}

#endif
