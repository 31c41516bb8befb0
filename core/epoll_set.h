/* An epoll set, as its books (epoll.c) and its waits (epoll_wait.c) share it. All of it is under the readiness lock. */
#ifndef RS_EPOLL_SET_H
#define RS_EPOLL_SET_H

#include "bell.h"
#include "epoll.h"
#include "process.h"

#define INDEX_BITS 20
#define INDEX_MAX ((1u << INDEX_BITS) - 1)
#define BELL_INDEX INDEX_MAX /* the index that stands for the set's bell */
#define NESTED_MAX 8

struct reg {
	struct epset *set;
	struct conn *conn;
	int fd;          /* as given to epoll_ctl */
	uint32_t events; /* as given */
	epoll_data_t data;
	uint32_t index;
	uint32_t mask; /* what the kernel has, once tagged */
	bool tagged;   /* the kernel reports TAG | index for it, and only the connection's end */
	bool unheard;  /* tagging made the kernel report TCP's state anew, and nobody has looked since */
	bool queued;
	bool disabled; /* EPOLLONESHOT fired */
	bool dormant; /* deleted by the program, once tagged: stays in the kernel, unheard, for the next ADD (many add and
			 * delete with every request) */
	uint32_t ended; /* RDHUP, HUP, ERR as last seen: the same end comes by a bit and from TCP, and is one edge */
	uint64_t
		seen_tail; /* the peer's tail and our calls for room when it was last looked at: a bit does not say what it is for */
	uint32_t seen_room;
	uint64_t seen_tcp; /* edges of a direction that is back on TCP: bytes that TCP had received at that look */
	uint32_t round;    /* the last collection that looked at it */
	struct reg *conn_next;
	struct reg *fd_next;
	struct reg *prev, *next; /* ready queue */
};

struct epset {
	int epfd;
	uint32_t owner_pid;
	uint32_t users;  /* waits under way */
	uint32_t asleep; /* of them, in the kernel: each bell of the set says so, one that it gets meanwhile too */
	bool closed;
	bool special;  /* has tagged registrations, or had */
	bool labelled; /* has untagged registrations that the kernel reports by TAG | index */
	bool foreign;  /* watches connections over links that another process made: no bits for us, look at each */
	bool watched;  /* its descriptor is itself polled or watched */
	uint64_t tag;
	struct sleeper sleeper;
	struct reg **by_fd;
	int by_fd_size;
	struct reg **table; /* by index */
	uint32_t table_size;
	uint32_t table_hint;
	struct reg *head, *tail; /* ready queue */
	uint32_t queued;
	uint32_t round;
	struct epset *nested[NESTED_MAX]; /* sets that this one watches */
	struct epset *next_set;           /* all of them; closed ones are used again */
};

/* Whether bits tell us about C; if not, it must be looked at. */
static inline bool link_is_ours(const struct conn *c)
{
	return c->link && c->link->owner_pid == process_pid();
}

/* --- the ready queue (epoll_wait.c) --- */

void reg_queue(struct reg *r);
void reg_unqueue(struct reg *r);
/* Queues and, if the set's waiters sleep, wakes one: they may have looked before. Who watches the set's descriptor in the kernel, a peer
 * rings itself; what this process does to a connection or a registration nobody else tells. */
void reg_queue_and_wake(struct reg *r, bool by_peer);
/* From now on SET's descriptor tells the kernel whether the set has events. */
void epset_watch(struct epset *set);

/* --- the books (epoll.c) --- */

/* Whether another process took R over: the kernel reports it to the program as that one said. R is gone then. */
bool reg_taken_over(struct reg *r);
/* What the kernel should report for a tagged registration: edges of TCP's part, and always its end. */
uint32_t reg_kernel_mask(const struct reg *r);
/* Gives the kernel R's mask. 0 or -errno. */
int reg_kernel_set(struct reg *r, int op);
/* The set gets a bell that C's peer rings. False: it cannot. */
bool epset_listen(struct epset *set, struct conn *c);

#endif
