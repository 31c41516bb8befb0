/* The byte ring of ring.h. DESIGN NOTES. A drained ring starts again at data offset 0 once it has left its first
 * RING_HOT bytes: small exchanges stay in a few pages and in the cache, whatever the capacity. The producer moves `base` then, while
 * nobody can be reading: head equals tail, and a consumer that still copies old bytes fails to claim them. */
#include "ring.h"
#include "barrier.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#define RING_HOT 16384u
#define RING_GROW_MAX (1u << 20)
#define RING_KEEP 262144u /* bytes of a drained ring that it keeps at least */
#define RING_LULL 8       /* times in a row that it used less than a quarter before it gives pages back */
#define RACES_MAX 1000    /* lost races after which it is not siblings but a hostile peer that moves head */

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

int iov_walk_init(struct iov_walk *walk, const struct iovec *iov, int count)
{
	size_t total = 0;

	if (count < 0 || count > IOV_MAX)
		return -EINVAL;
	for (int i = 0; i < count; i++) {
		if (iov[i].iov_len > SSIZE_MAX)
			return -EINVAL;
		total += iov[i].iov_len < IOV_BYTES_MAX - total ? iov[i].iov_len : IOV_BYTES_MAX - total;
	}
	walk->iov = iov;
	walk->offset = 0;
	walk->left = total;
	return 0;
}

void iov_walk_skip(struct iov_walk *walk, size_t size)
{
	walk->left -= size;
	while (size) {
		size_t here = walk->iov->iov_len - walk->offset;

		if (size < here) {
			walk->offset += size;
			return;
		}
		size -= here;
		walk->iov++;
		walk->offset = 0;
	}
}

/* DIFFERS: a pointer that is not the program's faults here (SIGSEGV), where the kernel says EFAULT. */
void iov_copy_in(void *to, struct iov_walk *from, size_t size)
{
	char *p = to;

	while (size) {
		size_t here = from->iov->iov_len - from->offset;
		size_t n = size < here ? size : here;

		if (n)
			memcpy(p, (const char *)from->iov->iov_base + from->offset, n);
		p += n;
		size -= n;
		iov_walk_skip(from, n);
		if (n == 0) { /* an empty element */
			from->iov++;
			from->offset = 0;
		}
	}
}

void iov_copy_out(struct iov_walk *to, const void *from, size_t size)
{
	const char *p = from;

	while (size) {
		size_t here = to->iov->iov_len - to->offset;
		size_t n = size < here ? size : here;

		if (n)
			memcpy((char *)to->iov->iov_base + to->offset, p, n);
		p += n;
		size -= n;
		iov_walk_skip(to, n);
		if (n == 0) {
			to->iov++;
			to->offset = 0;
		}
	}
}

static int tail_error(uint64_t tail)
{
	return tail & TAIL_FIN ? -EPIPE : -ESTALE;
}

/* Makes sure pages exist up to data offset END, so that no store is ever killed for want of memory. */
static int populate(struct ring *r, uint64_t end)
{
	uint64_t have = load_relaxed(r->populated), grow, want;

	if (end <= have)
		return 0;
	grow = have < WIRE_PAGE ? WIRE_PAGE : have < RING_GROW_MAX ? have : RING_GROW_MAX;
	want = have + grow > end ? have + grow : end;
	want = (want + WIRE_PAGE - 1) & ~(uint64_t)(WIRE_PAGE - 1);
	if (r->capacity >= WIRE_PAGE) {
		if (want > r->capacity)
			want = r->capacity;
		/* EINVAL: a kernel before 5.14 has no such advice; there the first store finds out. */
		if (madvise(r->data + have, want - have, MADV_POPULATE_WRITE) < 0 && errno != EINVAL)
			return -ENOMEM;
	}
	store_relaxed(r->populated, want);
	return 0;
}

/* The ring is drained and starts again: nobody can read what it held. After a lull it gives back what a burst once took. */
static void start_again(struct ring *r, uint64_t tail, uint64_t used)
{
	uint64_t have = load_relaxed(r->populated);

	store_relaxed(&r->out->base, tail);
	if (have <= RING_KEEP || used > have / 4) {
		r->lull = 0;
		return;
	}
	if (++r->lull < RING_LULL)
		return;
	r->lull = 0;
	/* First said, then done: a sibling that goes on after our death populates again. */
	store_relaxed(r->populated, RING_KEEP);
	if (madvise(r->data + RING_KEEP, have - RING_KEEP, MADV_REMOVE) < 0)
		store_relaxed(r->populated, have); /* locked memory stays */
}

/* The producer's view: *TAIL, data offset *OFFSET of it, and room (> 0; at least WANTED, if there is so much); or an error. */
static ssize_t producer_room(struct ring *r, size_t wanted, uint64_t *tail, uint64_t *offset)
{
	uint64_t t = load_relaxed(&r->out->tail), used, mask = r->capacity - 1;

	if (t & TAIL_FLAGS)
		return tail_error(t);
	*offset = (t - load_relaxed(&r->out->base)) & mask;
	used = t - r->seen;
	if (used > r->capacity || r->capacity - used < wanted || (*offset >= RING_HOT && t - r->checked >= WIRE_PAGE)) {
		r->seen = load_acquire(&r->in->head);
		r->checked = t;
		used = t - r->seen;
		if (used > r->capacity)
			return -EPROTO;
		if (used == r->capacity)
			return -EAGAIN;
		if (used == 0 && *offset >= RING_HOT) {
			start_again(r, t, *offset);
			*offset = 0;
		}
	}
	*tail = t;
	return (ssize_t)(r->capacity - used);
}

static int publish(struct ring *r, uint64_t tail, size_t size)
{
	uint64_t expect = tail;

	if (compare_swap(&r->out->tail, &expect, tail + size))
		return 0;
	return expect & TAIL_FLAGS ? tail_error(expect) : -EPROTO;
}

ssize_t ring_push(struct ring *r, struct iov_walk *from)
{
	struct iov_walk walk = *from;
	uint64_t tail, offset;
	ssize_t room = producer_room(r, from->left < RING_CHUNK ? from->left : RING_CHUNK, &tail, &offset);
	size_t size, first;
	int error;

	if (room < 0)
		return room;
	size = (size_t)room < walk.left ? (size_t)room : walk.left;
	if (size > RING_CHUNK)
		size = RING_CHUNK;
	first = r->capacity - offset < size ? r->capacity - offset : size;
	error = populate(r, offset + first);
	if (error < 0)
		return error;
	iov_copy_in(r->data + offset, &walk, first);
	if (first < size)
		iov_copy_in(r->data, &walk, size - first);
	error = publish(r, tail, size);
	if (error < 0)
		return error;
	*from = walk;
	return (ssize_t)size;
}

void *ring_reserve(struct ring *r, size_t *size, int *error)
{
	uint64_t tail, offset;
	ssize_t room = producer_room(r, 1, &tail, &offset);

	if (room < 0) {
		*error = (int)room;
		return NULL;
	}
	*size = (size_t)room < RING_CHUNK ? (size_t)room : RING_CHUNK;
	if (*size > r->capacity - offset)
		*size = r->capacity - offset;
	*error = populate(r, offset + *size);
	return *error < 0 ? NULL : r->data + offset;
}

int ring_publish(struct ring *r, size_t size)
{
	return publish(r, load_relaxed(&r->out->tail) & ~TAIL_FLAGS, size);
}

int ring_publish_closed(struct ring *r, size_t size)
{
	uint64_t tail = load_relaxed(&r->out->tail);

	if ((tail & TAIL_FLAGS) != TAIL_CLOSED)
		return -EPROTO;
	return compare_swap(&r->out->tail, &tail, tail + size) ? 0 : -EPROTO;
}

/* Head and tail as they stood together: the bytes between, or -EPROTO. Between the two loads another consumer may move head on
 * and the producer tail, so a distance that makes no sense counts only if head stands still. */
static ssize_t consistent(struct ring *r, uint64_t *head, uint64_t *tail)
{
	for (int race = 0; race < RACES_MAX; race++) {
		uint64_t bytes;

		*head = load_acquire(&r->in->head);
		*tail = load_acquire(&r->out->tail);
		if (__builtin_expect((*head & HEAD_TAKEN) != 0, 0)) {
			*tail |= TAIL_CLOSED;
			return 0;
		}
		bytes = TAIL_POSITION(*tail) - *head;
		if (bytes <= r->capacity)
			return (ssize_t)bytes;
		if (load_acquire(&r->in->head) == *head)
			break;
	}
	return -EPROTO;
}

/* The consumer's view: *HEAD and bytes that can be read there (> 0); or an error. */
static ssize_t consumer_bytes(struct ring *r, uint64_t *head)
{
	uint64_t h = load_acquire(&r->in->head), tail, known = load_acquire(&r->seen) - h;
	ssize_t bytes;

	*head = h;
	if (known - 1 < r->capacity)
		return (ssize_t)known;
	bytes = consistent(r, head, &tail);
	if (bytes > 0)
		store_release(&r->seen, TAIL_POSITION(tail));
	if (bytes)
		return bytes;
	return tail & TAIL_CLOSED ? -ESTALE : tail & TAIL_FIN ? -EPIPE : -EAGAIN;
}

ssize_t ring_take_back(struct ring *r, uint64_t end, void (*note)(void *arg, uint64_t from), void *arg, uint64_t *from)
{
	uint64_t head = load_acquire(&r->in->head);

	for (int race = 0; race < RACES_MAX; race++) {
		*from = HEAD_POSITION(head);
		if (end - *from > r->capacity)
			return -EPROTO;
		if (end == *from)
			return 0;
		if (head & HEAD_TAKEN) /* by a sibling that died before it could say so */
			return (ssize_t)(end - *from);
		note(arg, head);
		if (compare_swap(&r->in->head, &head, head | HEAD_TAKEN))
			return (ssize_t)(end - *from);
	}
	return -EPROTO;
}

const void *ring_at(const struct ring *r, uint64_t position, size_t *size)
{
	uint64_t offset = (position - load_relaxed(&r->out->base)) & (r->capacity - 1);

	if (*size > r->capacity - offset)
		*size = r->capacity - offset;
	return r->data + offset;
}

static void copy_from(struct ring *r, uint64_t head, struct iov_walk *to, size_t size)
{
	uint64_t offset = (head - load_relaxed(&r->out->base)) & (r->capacity - 1);
	size_t first = r->capacity - offset < size ? r->capacity - offset : size;

	iov_copy_out(to, r->data + offset, first);
	if (first < size)
		iov_copy_out(to, r->data, size - first);
}

ssize_t ring_pull(struct ring *r, struct iov_walk *to, size_t max)
{
	for (int race = 0; race < RACES_MAX; race++) {
		struct iov_walk walk = {0};
		uint64_t head;
		ssize_t bytes = consumer_bytes(r, &head);

		if (bytes < 0)
			return bytes;
		if ((size_t)bytes > max)
			bytes = (ssize_t)max;
		if (bytes > RING_CHUNK)
			bytes = RING_CHUNK;
		if (to) {
			walk = *to;
			copy_from(r, head, &walk, (size_t)bytes);
		}
		if (ring_consume(r, head, (size_t)bytes)) {
			if (to)
				*to = walk;
			return bytes;
		}
	}
	return -EPROTO;
}

ssize_t ring_peek(struct ring *r, struct iov_walk *to, bool copy)
{
	for (int race = 0; race < RACES_MAX; race++) {
		struct iov_walk walk = *to;
		uint64_t head, tail;
		/* A peek wants all there is, not what was once seen. */
		ssize_t bytes = consistent(r, &head, &tail);

		if (bytes == 0)
			bytes = consumer_bytes(r, &head);
		if (bytes < 0)
			return bytes;
		if ((size_t)bytes > walk.left)
			bytes = (ssize_t)walk.left;
		if (copy)
			copy_from(r, head, &walk, (size_t)bytes);
		else
			iov_walk_skip(&walk, (size_t)bytes);
		full_barrier();
		if (load_relaxed(&r->in->head) == head) {
			*to = walk;
			return bytes;
		}
	}
	return -EPROTO;
}

const void *ring_next(struct ring *r, size_t *size, uint64_t *head, int *error)
{
	ssize_t bytes = consumer_bytes(r, head);
	uint64_t offset;

	if (bytes < 0) {
		*error = (int)bytes;
		return NULL;
	}
	offset = (*head - load_relaxed(&r->out->base)) & (r->capacity - 1);
	*size = (size_t)bytes < r->capacity - offset ? (size_t)bytes : r->capacity - offset;
	return r->data + offset;
}

bool ring_consume(struct ring *r, uint64_t head, size_t size)
{
	return compare_swap(&r->in->head, &head, head + size);
}

ssize_t ring_readable(struct ring *r, uint64_t *flags)
{
	uint64_t head, tail;
	ssize_t bytes = consistent(r, &head, &tail);

	*flags = tail & TAIL_FLAGS;
	return bytes;
}

ssize_t ring_writable(struct ring *r)
{
	uint64_t head, tail;
	ssize_t used = consistent(r, &head, &tail);

	return used < 0 ? used : (ssize_t)r->capacity - used;
}

uint64_t ring_end(struct ring *r, uint64_t flag)
{
	return fetch_or(&r->out->tail, flag);
}
