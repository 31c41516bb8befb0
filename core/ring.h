/* The byte ring: one producer side, one consumer side, free-running positions in memory that either side's process may
 * corrupt at any moment: what is read there is read once and checked, and can only garble the connection's own bytes. */
#ifndef RS_RING_H
#define RS_RING_H

#include "barrier.h"
#include "wire.h"

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

/* A walk over an iovec array. left: bytes still to go. */
struct iov_walk {
	const struct iovec *iov;
	size_t offset; /* into *iov */
	size_t left;
};

/* The most that one call moves, as the kernel has it (MAX_RW_COUNT): what is beyond is left to the next call. */
#define IOV_BYTES_MAX 0x7ffff000u

/* 0, or -EINVAL when a length is negative or COUNT is out of range. */
int iov_walk_init(struct iov_walk *walk, const struct iovec *iov, int count);
void iov_walk_skip(struct iov_walk *walk, size_t size);
void iov_copy_in(void *to, struct iov_walk *from, size_t size);
void iov_copy_out(struct iov_walk *to, const void *from, size_t size);

/* One direction as one process sees it. The caches hold the other side's position only (forked siblings move our own). */
struct ring {
	struct wire_side *out; /* the producer's side */
	struct wire_side *in;  /* the consumer's side */
	uint8_t *data;
	uint64_t capacity;   /* a power of two; our own copy */
	uint64_t seen;       /* producer: a head that was once true; consumer: a tail that was once true */
	uint64_t checked;    /* producer: tail when head was last read */
	uint64_t *populated; /* producer: data offset below which pages exist; shared with siblings */
	uint32_t lull;       /* producer: how often in a row the ring was drained with most of its pages unused */
};

/* Producer; one at a time (the caller holds the send lock). Copies at most RING_CHUNK bytes from FROM, which moves on by what was
 * published. Returns that (> 0), or -EAGAIN full, -EPIPE FIN set, -ESTALE went back to TCP, -ENOMEM, -EPROTO positions make no sense. */
#define RING_CHUNK 65536u
ssize_t ring_push(struct ring *r, struct iov_walk *from);

/* Where the next bytes can be put directly: pointer and *SIZE (at most RING_CHUNK), published by ring_publish. NULL and
 * *ERROR as ring_push's. */
void *ring_reserve(struct ring *r, size_t *size, int *error);
int ring_publish(struct ring *r, size_t size);
/* The same after that said -ESTALE, for bytes that could not be kept anywhere else: what the consumer has closed the tail behind is taken
 * back at once, and these with it. */
int ring_publish_closed(struct ring *r, size_t size);

/* Producer, while it waits for an answer: fetches the memory that its next bytes will go to, which the consumer read last. */
static inline void ring_prefetch(const struct ring *r)
{
	uint64_t offset = load_relaxed(&r->out->tail) - load_relaxed(&r->out->base);

	__builtin_prefetch(r->data + (offset & (r->capacity - 1)), 1);
}

/* Consumer; any number at a time, without a lock: bytes are copied first, then claimed by moving head; a lost race copies again.
 * TO NULL (pull) or COPY false (peek): no bytes are copied. Returns bytes, or -EAGAIN empty, -EPIPE empty and FIN, -ESTALE empty and back on TCP, -EPROTO. */
ssize_t ring_pull(struct ring *r, struct iov_walk *to, size_t max);
ssize_t ring_peek(struct ring *r, struct iov_walk *to, bool copy);

/* The next bytes in place, for writing them out: pointer and *SIZE; ring_consume moves head by SIZE if it still stands at *HEAD. */
const void *ring_next(struct ring *r, size_t *size, uint64_t *head, int *error);
bool ring_consume(struct ring *r, uint64_t head, size_t size);

/* Bytes to read, or -EPROTO; *FLAGS gets TAIL_FIN | TAIL_CLOSED as set. */
ssize_t ring_readable(struct ring *r, uint64_t *flags);

/* Producer, once its tail is closed at position END: takes back what nobody read, and *FROM gets where that begins. NOTE is called before it
 * is final, and has to leave what a sibling must know. Returns bytes, 0 if all was read, or -EPROTO. */
ssize_t ring_take_back(struct ring *r, uint64_t end, void (*note)(void *arg, uint64_t from), void *arg, uint64_t *from);
/* Bytes in place at POSITION, in *SIZE: at most to the end of the memory. */
const void *ring_at(const struct ring *r, uint64_t position, size_t *size);

/* Bytes of room, or -EPROTO. */
ssize_t ring_writable(struct ring *r);

/* The third of its room that must be free before a full ring counts as writable again (as the kernel's send buffer). */
static inline size_t ring_low_room(const struct ring *r)
{
	return r->capacity / 3 ? r->capacity / 3 : 1;
}

/* Sets FLAG in the tail for good. Returns the tail before. */
uint64_t ring_end(struct ring *r, uint64_t flag);

#endif
