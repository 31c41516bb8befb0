/* The object behind a datagram rsocket, for the files dgram*.c. */
#ifndef RS_DGRAM_OBJECT_H
#define RS_DGRAM_OBJECT_H

#include "barrier.h"
#include "conn.h"
#include "dgram.h"
#include "dgram_pair.h"
#include "lock.h"
#include "reason.h"
#include "thread.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define DGRAM_DESTS 32
#define DGRAM_PAIRS 64

/* Where it sends to. */
struct dgram_dest {
	struct sockaddr_in6 name; /* as the program gave it; or a sockaddr_in */
	socklen_t size;           /* 0 with USED: who it is connected to */
	bool used;
	bool never; /* not of this host, or nothing that we carry */
	uint32_t calls, next_call, gap;
	uint32_t waited; /* calls that the pair did not serve */
	uint32_t patience;
	struct dgram_pair *pair;
};

/* A record that a peek or a poll promised: claimed, and first of all. In memory that forked siblings share, for the one that is asked
 * first: who may fill it, and who empties it, is decided by CAS. Died while filling: no more promises, and no more rings since the fork. */
enum stash_state { STASH_EMPTY, STASH_FILLING, STASH_FULL };
struct dgram_stash {
	uint32_t state; /* enum stash_state */
	uint32_t length;
	struct diag_end source;
	uint8_t bytes[WIRE_DGRAM_MAX];
};

static inline bool stash_full(const struct dgram_stash *s)
{
	return s && load_acquire(&s->state) == STASH_FULL;
}

/* Recycled, never freed: a stale pointer is harmless, `generation` tells under either lock. */
struct dgram {
	uint32_t generation;  /* odd while in use; changes under both locks */
	uint32_t descriptors; /* of this process; under fdtab_lock */
	int fd;
	uint32_t pinned;   /* 1: no new pairs, for good */
	uint32_t nonblock; /* as far as r-calls set it */
	bool v6;           /* AF_INET6: that is how it sees addresses */
	bool shared;       /* another process has it too */
	bool forking;      /* both locks are held over a fork */
	enum reason reason;
	struct rsocket_options options; /* kept and answered; under out_lock */

	/* Sending. Taken before in_lock where both are. Held over kernel sends of what was taken back: whoever sends next comes after it. */
	struct lock out_lock;
	struct dgram_dest dest[DGRAM_DESTS];
	uint32_t last, victim;
	uint32_t out_pairs;

	/* Receiving. */
	struct lock in_lock;
	struct dgram_pair *in[DGRAM_PAIRS];
	uint32_t in_count, in_next;
	uint32_t unheard;  /* pairs that the kernel has not vouched for yet */
	uint32_t sleepers; /* threads in kernel waits: senders use the kernel */
	uint32_t naps;     /* waits that came to sleep; and how long the last one slept, in clock_ticks */
	uint64_t nap_ticks;
	uint32_t long_at;   /* NAPS at the last long spin */
	bool kernel_first;  /* a peek showed what is first in the kernel's queue */
	uint64_t kernel_at; /* clock_ticks of the last look at the kernel's queue */
	int listener;       /* -1: none yet; -2: none ever */
	uint32_t arrived, next_accept, accept_gap;

	struct dgram_stash *stash; /* mapped on first use */

	uint64_t send_bytes, recv_bytes, shm_send_bytes, shm_recv_bytes;

	struct dgram *next_free;
};

/* D of FD with LOCK (one of its two) taken, in a critical section; NULL: there is none. */
struct dgram *dgram_get(int fd, size_t lock);
#define DGRAM_OUT offsetof(struct dgram, out_lock)
#define DGRAM_IN offsetof(struct dgram, in_lock)
void dgram_put(struct dgram *d, size_t lock);

/* --- dgram_out.c --- */

/* Gives to the kernel what was sent to DEST and not claimed. The outcome of the last one: its size or -errno; 0 also: nothing was there. */
ssize_t dgram_flush(struct dgram *d, struct dgram_dest *dest);
/* The same for all; ALL false: those whose receivers do not move. Under out_lock. */
void dgram_flush_all(struct dgram *d, bool all);
/* No more records to DEST. */
void dgram_out_drop(struct dgram *d, struct dgram_dest *dest);

/* --- dgram_in.c --- */

/* Senders may publish, or not: as D sleeps or not. */
void dgram_awake(struct dgram *d);
/* No more records from P for good; it goes once it is empty. */
void dgram_in_close(struct dgram *d, struct dgram_pair *p);
/* Pair number I goes. */
void dgram_in_drop(struct dgram *d, uint32_t i);

/* --- dgram_meet.c --- */

/* D sent to DEST some times: looks for an rsocket there and offers it a pair. Under out_lock; bounded, does not block. */
void dgram_offer(struct dgram *d, struct dgram_dest *dest);
/* Whether DEST is still whom its pair is with. */
bool dgram_still_there(struct dgram *d, const struct dgram_dest *dest);
/* The kernel brought a datagram, from NAME if that is known: takes offers that wait, and believes those whose sender it is. Under in_lock. */
void dgram_arrived(struct dgram *d, const struct sockaddr_storage *name);
/* No more offers. */
void dgram_deafen(struct dgram *d);
/* END as a socket of D's family sees it. */
socklen_t dgram_name(const struct dgram *d, const struct diag_end *end, struct sockaddr_storage *name);

#endif
