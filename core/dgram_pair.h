/* The ring of one datagram socket to another: records, whole or not at all.
 *
 * DESIGN NOTES. The receiver's UDP socket is never replaced, only overtaken: while the receiver is awake its senders publish records
 * here; when it is about to sleep it says so, looks once more, and sleeps in the kernel on the UDP socket alone. A sender that published
 * and then sees the receiver asleep (or gone, or not moving) takes back by one CAS all that was not claimed, and gives it to the kernel. So
 * wake-ups, timeouts, signals, poll and a dead receiver's ECONNREFUSED stay the kernel's, there is no bell, and a record can
 * neither be lost nor be read twice.
 *
 * Order. Before a sender gives anything to the kernel it takes back what is unread here, so a datagram in the kernel's queue is older than
 * every record of its sender that is still in the ring: to read the kernel's queue first is always right. To read a record first is right
 * if the queue was seen empty since its sender last used the kernel, which the count in the record tells. */
#ifndef RS_DGRAM_PAIR_H
#define RS_DGRAM_PAIR_H

#include "barrier.h"
#include "diag.h"
#include "ring.h"
#include "wire.h"

/* As one process sees it, as sender or as receiver. The caller has the lock of its side. */
struct dgram_pair {
	struct wire_dgram *map;
	uint8_t *data;
	uint64_t capacity;

	/* Sender. Its own positions are never read back from the memory. */
	uint64_t tail, base, populated;
	uint64_t seen_freed;
	uint64_t kernel;      /* see wire_dgram_record */
	uint64_t looked_at;   /* clock_ticks of the last look at claimed */
	uint64_t looked_tail; /* and what stood where */
	uint64_t looked_claimed;
	uint32_t cold; /* 1: the receiver did not move; the kernel until its beat is not COLD_BEAT any more */
	uint32_t cold_beat;
	uint64_t cookie; /* of the receiver's UDP socket */

	/* Receiver */
	uint64_t freed;
	uint64_t kept, kept_end; /* positions: what pair_keep claimed at once and nobody has read */
	uint64_t settled;        /* records that say this count are next: the kernel's queue was seen empty */
	struct diag_end source;  /* who the records are from */
	uint32_t sender_pid;
	bool heard; /* the kernel brought a datagram from SOURCE: attached */
};

/* What the receiver finds at the head. */
struct dgram_record {
	uint64_t at, next; /* positions */
	uint64_t base;
	uint32_t length;
	uint64_t kernel;
};

/* Sender: new memory for at least CAPACITY bytes; *FD to be passed on, a descriptor of ours. 0 or -errno. */
int pair_new(struct dgram_pair *p, uint64_t capacity, int *fd);
/* Receiver: maps a sender's memory. 0, or -EPROTO, -ENOMEM. */
int pair_join(struct dgram_pair *p, int fd);
/* Either side: the memory goes. */
void pair_unmap(struct dgram_pair *p);

/* --- the sender --- */

/* Whether the receiver takes records now. */
bool pair_open(struct dgram_pair *p);
/* Whether records wait and the receiver has not moved for a millisecond. From then on the pair is not open until it moves. */
bool pair_stalled(struct dgram_pair *p);
/* Publishes SIZE bytes of FROM, with the full barrier. 0, -EAGAIN no room, -ENOMEM. */
int pair_push(struct dgram_pair *p, struct iov_walk *from, uint32_t size);
/* Whether it is for what the receiver has not claimed that SIZE bytes find no room. */
bool pair_full(const struct dgram_pair *p, uint32_t size);
/* Takes back what nobody claimed: records from *AT to the tail are the caller's. False: there are none. */
bool pair_take_back(struct dgram_pair *p, uint64_t *at);
/* The record at *AT, in one or two pieces; *AT moves on. False: no further one (or the memory was spoilt). */
bool pair_next(struct dgram_pair *p, uint64_t *at, struct iovec piece[2]);
/* Whether the receiver has not claimed all. */
bool pair_unread(const struct dgram_pair *p);

/* --- the receiver --- */

/* The next record. 1, 0 none, -EPROTO. */
int pair_look(struct dgram_pair *p, struct dgram_record *record);
/* Claims all that is there, to be looked at as before: the sender cannot take it back any more. For a closed pair. */
void pair_keep(struct dgram_pair *p);
/* Claims RECORD. False: its sender took it back. */
bool pair_claim(struct dgram_pair *p, const struct dgram_record *record);
/* Copies at most what TO has room for of a claimed record, and frees it. */
void pair_copy(struct dgram_pair *p, const struct dgram_record *record, struct iov_walk *to);
static inline bool pair_news(const struct dgram_pair *p)
{
	return p->kept != p->kept_end || load_acquire(&p->map->tail) != load_relaxed(&p->map->claimed);
}

#endif
