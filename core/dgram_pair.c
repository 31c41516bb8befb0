/* The ring of datagrams. */
#include "dgram_pair.h"
#include "barrier.h"
#include "kernel.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define STALL_US 1000
#define HOT (16u << 10)         /* a drained ring starts again at its beginning behind this */
#define GROW_MAX (256ull << 10) /* how much memory is fetched at once */
#define TAKE_TRIES 100
#define FULL_SPIN_US 20

static uint64_t record_bytes(uint32_t length)
{
	return sizeof(struct wire_dgram_record) + ((length + WIRE_DGRAM_ALIGN - 1) & ~(WIRE_DGRAM_ALIGN - 1));
}

static size_t map_bytes(uint64_t capacity)
{
	return WIRE_PAGE + capacity;
}

static void take_map(struct dgram_pair *p, void *map, uint64_t capacity)
{
	*p = (struct dgram_pair){.map = map, .data = (uint8_t *)map + WIRE_PAGE, .capacity = capacity};
}

int pair_new(struct dgram_pair *p, uint64_t capacity, int *fd)
{
	uint64_t power = WIRE_DGRAM_CAPACITY_MIN;
	void *map;
	int error;

	while (power < capacity && power < WIRE_DGRAM_CAPACITY_MAX)
		power *= 2;
	error = kernel_memory_new("rsocket-datagrams", map_bytes(power), 0, fd, &map);
	if (error < 0)
		return error;
	error = (int)sys_call4(SYS_fallocate, *fd, 0, 0, WIRE_PAGE);
	if (error < 0) {
		kernel_unmap(map, map_bytes(power));
		own_fd_close(*fd);
		return error;
	}
	take_map(p, map, power);
	p->map->version = WIRE_VERSION;
	p->map->capacity = power;
	p->map->magic = WIRE_MAGIC;
	return 0;
}

int pair_join(struct dgram_pair *p, int fd)
{
	struct wire_dgram head;
	void *map;
	int error;

	/* Sealed, so it is memory and not a file that somebody could make us wait for. */
	if (kernel_fcntl(fd, F_GET_SEALS, 0) < 0 || sys_pread(fd, &head, sizeof head, 0) != sizeof head ||
	    head.magic != WIRE_MAGIC || head.version != WIRE_VERSION || head.capacity < WIRE_DGRAM_CAPACITY_MIN ||
	    head.capacity > WIRE_DGRAM_CAPACITY_MAX || (head.capacity & (head.capacity - 1)))
		return -EPROTO;
	error = kernel_memory_map(fd, map_bytes(head.capacity), 0, PROT_READ | PROT_WRITE, &map);
	if (error < 0)
		return error;
	take_map(p, map, head.capacity);
	p->settled = UINT64_MAX; /* no sender has counted so far */
	return 0;
}

void pair_unmap(struct dgram_pair *p)
{
	kernel_unmap(p->map, map_bytes(p->capacity));
	p->map = NULL;
}

/* --- the sender --- */

bool pair_open(struct dgram_pair *p)
{
	if (!load_acquire(&p->map->awake) || load_relaxed(&p->map->closed))
		return false;
	if (p->cold && load_relaxed(&p->map->beat) == p->cold_beat)
		return false;
	p->cold = 0;
	return true;
}

bool pair_unread(const struct dgram_pair *p)
{
	return load_relaxed(&p->map->claimed) != p->tail;
}

bool pair_stalled(struct dgram_pair *p)
{
	uint64_t now = clock_ticks(), claimed;
	bool stalled;

	/* The receiver writes that word for each datagram: looking at it costs, and is done four times in a stall. */
	if (now - p->looked_at < clock_ticks_us * STALL_US / 4)
		return false;
	claimed = load_relaxed(&p->map->claimed);
	if (claimed != p->looked_claimed || claimed == p->looked_tail) {
		p->looked_at = now;
		p->looked_claimed = claimed;
		p->looked_tail = p->tail;
		return false;
	}
	stalled = now - p->looked_at >= clock_ticks_us * STALL_US;
	if (stalled) {
		p->cold = 1;
		p->cold_beat = load_relaxed(&p->map->beat);
	}
	return stalled;
}

/* Pages exist before they are stored to: without memory it is the kernel's datagram. */
static int populate(struct dgram_pair *p, uint64_t end)
{
	uint64_t grow = p->populated < WIRE_PAGE ? WIRE_PAGE : p->populated < GROW_MAX ? p->populated : GROW_MAX, want;

	if (end <= p->populated)
		return 0;
	want = p->populated + grow > end ? p->populated + grow : end;
	want = (want + WIRE_PAGE - 1) & ~(uint64_t)(WIRE_PAGE - 1);
	if (want > p->capacity)
		want = p->capacity;
	/* EINVAL: a kernel before 5.14 has no such advice; there the first store finds out. */
	if (madvise(p->data + p->populated, want - p->populated, MADV_POPULATE_WRITE) < 0 && errno != EINVAL)
		return -ENOMEM;
	p->populated = want;
	return 0;
}

static uint64_t offset_of(const struct dgram_pair *p, uint64_t position, uint64_t base)
{
	return (position - base) & (p->capacity - 1);
}

/* Room for NEED bytes? A receiver that reads gets a moment to make some. */
static bool room(struct dgram_pair *p, uint64_t need)
{
	uint64_t end = 0;

	if (p->capacity - (p->tail - p->seen_freed) >= need)
		return true;
	do {
		uint64_t freed = load_acquire(&p->map->freed);

		/* What makes no sense makes no room. */
		if (p->tail - freed <= p->tail - p->seen_freed)
			p->seen_freed = freed;
		if (p->capacity - (p->tail - p->seen_freed) >= need)
			return true;
		if (spin_cpus == 1) {
			sys_call0(SYS_sched_yield);
			if (end++)
				return false;
			continue;
		}
		if (end == 0)
			end = clock_ticks() + clock_ticks_us * FULL_SPIN_US;
		cpu_relax();
	} while (spin_cpus == 1 || clock_ticks() < end);
	return false;
}

int pair_push(struct dgram_pair *p, struct iov_walk *from, uint32_t size)
{
	uint64_t need = record_bytes(size), offset = offset_of(p, p->tail, p->base), first;
	struct wire_dgram_record *record;
	int error;

	if (!room(p, need))
		return -EAGAIN;
	if (offset >= HOT) {
		p->looked_claimed = load_relaxed(&p->map->claimed);
		p->seen_freed = p->looked_claimed == p->tail && load_acquire(&p->map->freed) == p->tail ? p->tail
													: p->seen_freed;
		if (p->seen_freed == p->tail) {
			p->base = p->tail;
			store_relaxed(&p->map->base, p->base);
			offset = 0;
		}
	}
	error = populate(p, p->capacity - offset < need ? p->capacity : offset + need);
	if (error < 0)
		return error;
	record = (void *)(p->data + offset);
	store_relaxed(&record->length, size);
	store_relaxed(&record->kernel, p->kernel);
	offset = (offset + sizeof *record) & (p->capacity - 1);
	first = p->capacity - offset < size ? p->capacity - offset : size;
	iov_copy_in(p->data + offset, from, first);
	if (first < size)
		iov_copy_in(p->data, from, size - first);
	p->tail += need;
	store_release(&p->map->tail, p->tail);
	full_barrier();
	return 0;
}

bool pair_full(const struct dgram_pair *p, uint32_t size)
{
	uint64_t unread = p->tail - load_relaxed(&p->map->claimed);

	return unread <= p->capacity && p->capacity - unread < record_bytes(size);
}

bool pair_take_back(struct dgram_pair *p, uint64_t *at)
{
	uint64_t claimed = load_acquire(&p->map->claimed);

	/* Each failure is a record that the receiver took; one that only plays with the word keeps its datagrams. */
	for (int i = 0; i < TAKE_TRIES + (int)(p->capacity / WIRE_DGRAM_ALIGN); i++) {
		if (claimed == p->tail)
			return false;
		if (p->tail - claimed > p->capacity || claimed % WIRE_DGRAM_ALIGN)
			break;
		if (compare_swap(&p->map->claimed, &claimed, p->tail)) {
			*at = claimed;
			return true;
		}
	}
	store_release(&p->map->closed, 1);
	return false;
}

bool pair_next(struct dgram_pair *p, uint64_t *at, struct iovec piece[2])
{
	uint64_t offset = offset_of(p, *at, p->base), need;
	const struct wire_dgram_record *record = (const void *)(p->data + offset);
	uint32_t length;

	if (*at == p->tail)
		return false;
	length = load_relaxed(&record->length);
	need = record_bytes(length);
	if (length > WIRE_DGRAM_MAX || need > p->tail - *at)
		return false;
	offset = (offset + sizeof *record) & (p->capacity - 1);
	piece[0] = (struct iovec){p->data + offset, p->capacity - offset < length ? p->capacity - offset : length};
	piece[1] = (struct iovec){p->data, length - piece[0].iov_len};
	*at += need;
	return true;
}

/* --- the receiver --- */

void pair_keep(struct dgram_pair *p)
{
	uint64_t claimed = load_relaxed(&p->map->claimed), tail;

	if (p->kept != p->kept_end)
		return;
	for (int i = 0; i < TAKE_TRIES; i++) {
		tail = load_acquire(&p->map->tail);
		if (tail - claimed > p->capacity)
			return;
		if (compare_swap(&p->map->claimed, &claimed, tail)) {
			p->kept = claimed;
			p->kept_end = tail;
			return;
		}
	}
}

/* The record at AT, before TAIL. */
static int record_at(struct dgram_pair *p, uint64_t at, uint64_t tail, struct dgram_record *r)
{
	const struct wire_dgram_record *record;

	if (tail - at > p->capacity || at % WIRE_DGRAM_ALIGN)
		return -EPROTO;
	r->base = load_relaxed(&p->map->base) & ~(uint64_t)(WIRE_DGRAM_ALIGN - 1);
	record = (const void *)(p->data + offset_of(p, at, r->base));
	r->at = at;
	r->length = load_relaxed(&record->length);
	r->kernel = load_relaxed(&record->kernel);
	if (r->length > WIRE_DGRAM_MAX)
		return -EPROTO;
	r->next = at + record_bytes(r->length);
	return r->next - at > tail - at ? -EPROTO : 1;
}

int pair_look(struct dgram_pair *p, struct dgram_record *r)
{
	uint64_t claimed, tail;
	int found;

	if (p->kept != p->kept_end)
		return record_at(p, p->kept, p->kept_end, r);
	claimed = load_relaxed(&p->map->claimed);
	/* Nothing is being copied now: what the sender took back is free too. */
	if (p->freed != claimed) {
		p->freed = claimed;
		store_release(&p->map->freed, claimed);
	}
	tail = load_acquire(&p->map->tail);
	if (tail == claimed)
		return 0;
	found = record_at(p, claimed, tail, r);
	/* Or the sender took it back and went on between the looks. */
	return found < 0 && load_relaxed(&p->map->claimed) != claimed ? 0 : found;
}

bool pair_claim(struct dgram_pair *p, const struct dgram_record *r)
{
	uint64_t expect = r->at;

	if (p->kept != p->kept_end) {
		p->kept = r->next;
		return true;
	}
	return compare_swap(&p->map->claimed, &expect, r->next);
}

void pair_copy(struct dgram_pair *p, const struct dgram_record *r, struct iov_walk *to)
{
	uint64_t offset = offset_of(p, r->at + sizeof(struct wire_dgram_record), r->base);
	size_t size = r->length < to->left ? r->length : to->left;
	size_t first = p->capacity - offset < size ? p->capacity - offset : size;

	iov_copy_out(to, p->data + offset, first);
	if (first < size)
		iov_copy_out(to, p->data, size - first);
	if (p->kept_end)
		return; /* closed */
	p->freed = r->next;
	store_release(&p->map->freed, r->next);
}
