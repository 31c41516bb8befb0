/* Placements under way. DESIGN NOTES. Each connection has a queue; its first entry alone is worked on, by whichever thread comes
 * by (`worker`), so that they complete in order. Connections with entries stand in a list of the process, and a wait takes the first,
 * copies one slice of it, and puts it behind the others. */
#include "placement.h"
#include "epoll.h"
#include "iomap.h"
#include "kernel.h"
#include "promote.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <stdlib.h>
#include <sys/single_threaded.h>

#define SLICE (256u << 10) /* some tens of microseconds */
#define PLACEMENTS_MAX 1024
/* At the end of a connection a peer that must be asked is given up where it answers for less than PACE in PACE_NS. */
#define PACE (1u << 20)
#define PACE_NS 1000000000

struct operation {
	char *buf;
	size_t size, done;
	uint64_t offset;
	uint32_t number;
	bool write;
	struct operation *next;
};

struct placements {
	struct conn *conn;
	struct operation *first, *last;
	uint32_t worker;         /* the thread that copies a slice of the first, or 0 */
	uint64_t moved;          /* bytes so far, of all; by the worker */
	bool listed;             /* in the list of the process */
	struct placements *next; /* there */
};

/* Guards all queues and the list. Never held over a copy. */
static struct lock placement_lock;
static struct placements *list_first, *list_last;
uint32_t placement_total;

static void list_add(struct placements *p)
{
	p->next = NULL;
	p->listed = true;
	if (list_last)
		list_last->next = p;
	else
		list_first = p;
	list_last = p;
}

static void list_remove(struct placements *p)
{
	struct placements **at = &list_first, *before = NULL;

	if (!p->listed)
		return;
	p->listed = false;
	while (*at != p) {
		before = *at;
		at = &before->next;
	}
	*at = p->next;
	if (list_last == p)
		list_last = before;
}

/* The first of P's is over. Under the lock. */
static struct operation *remove_first(struct errqueue *q, struct placements *p)
{
	struct operation *o = p->first;

	p->first = o->next;
	if (!p->first) {
		p->last = NULL;
		list_remove(p);
	}
	store_release(&q->pending, q->pending - 1);
	store_relaxed(&placement_total, placement_total - 1);
	return o;
}

static struct placements *placements_get(struct errqueue *q, struct conn *c)
{
	struct placements *p = load_acquire(&q->placements), *expect = NULL;

	if (p)
		return p;
	p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->conn = c;
	if (compare_swap(&q->placements, &expect, p))
		return p;
	free(p);
	return expect;
}

void placement_free(struct placements *p)
{
	free(p);
}

int placement_start(struct conn *c, char *buf, size_t size, uint64_t offset, bool write)
{
	struct errqueue *q = errqueue_get(c);
	struct placements *p = q ? placements_get(q, c) : NULL;
	struct operation *o = p ? malloc(sizeof *o) : NULL;
	bool full;

	if (!o)
		return -ENOMEM;
	if (!promote_numbers(c)) {
		free(o);
		return -EAGAIN;
	}
	*o = (struct operation){.buf = buf, .size = size, .offset = offset, .write = write};
	lock_take(&placement_lock);
	full = load_acquire(&q->count) + q->pending >= PLACEMENTS_MAX || !errqueue_reserve(c);
	if (!full) {
		o->number = errqueue_number(c);
		if (p->last)
			p->last->next = o;
		else
			p->first = o;
		p->last = o;
		if (!p->listed)
			list_add(p);
		store_relaxed(&placement_total, placement_total + 1);
		store_release(&q->pending, q->pending + 1);
	}
	lock_drop(&placement_lock);
	if (full) {
		free(o);
		return -ENOBUFS;
	}
	/* Who sleeps already works too. */
	if (!__libc_single_threaded) {
		epoll_mark(c, EPOLLERR);
		thread_wake_pollers();
		thread_wake_waiters(c);
	}
	return 0;
}

/* N came of a slice of the first, O, which it may have ended. */
static void slice_done(struct conn *c, struct errqueue *q, struct placements *p, struct operation *o, ssize_t n)
{
	bool over;

	if (n > 0) {
		o->done += (size_t)n;
		count_add(&p->moved, (uint64_t)n);
		if (iomap_direct(c))
			count_add(o->write ? &c->stats->shm_send_bytes : &c->stats->shm_recv_bytes, (uint64_t)n);
		count_add(o->write ? &c->stats->send_bytes : &c->stats->recv_bytes, (uint64_t)n);
	}
	if (n == 0)
		n = -EFAULT;
	over = o->done == o->size || (n < 0 && n != -EAGAIN && n != -EINTR);
	/* Told before the next one may begin: in order. */
	if (over && load_acquire(&c->errors)) {
		struct notice notice = {.low = o->number, .high = o->number};

		if (o->done < o->size) {
			notice.error = (int)-n;
			notice.bytes = o->done;
		}
		errqueue_add(c, &notice);
	}
	lock_take(&placement_lock);
	if (over)
		free(remove_first(q, p));
	store_relaxed(&p->worker, 0);
	lock_drop(&placement_lock);
}

bool placement_slice(struct conn *c)
{
	struct errqueue *q = load_acquire(&c->errors);
	struct placements *p = q ? load_acquire(&q->placements) : NULL;
	struct operation *o;
	uint32_t worker;
	ssize_t n;

	if (!p || !load_acquire(&q->pending))
		return false;
	lock_take(&placement_lock);
	worker = p->worker;
	o = worker ? NULL : p->first;
	if (o)
		store_relaxed(&p->worker, thread_id());
	lock_drop(&placement_lock);
	if (!o) {
		/* A handler that leaves by exit in the middle of a slice, where nothing puts handlers off, waits for nobody. */
		if (worker == thread_id())
			return false;
		sys_call0(SYS_sched_yield);
		return load_acquire(&q->pending);
	}
	n = o->size - o->done < SLICE ? (ssize_t)(o->size - o->done) : SLICE;
	n = iomap_piece(c, o->buf + o->done, (size_t)n, o->offset + o->done, o->write);
	if (n == -EINTR && thread_handlers_unseen) {
		thread_self.handlers++;
		thread_self.interruptions += !thread_handlers_restart();
	}
	slice_done(c, q, p, o, n);
	return load_acquire(&q->pending);
}

bool placement_work(void)
{
	struct placements *p;
	struct conn *c = NULL;

	if (!placement_any())
		return false;
	critical_enter();
	lock_take(&placement_lock);
	p = list_first;
	if (p) {
		list_remove(p);
		list_add(p);
		/* In the list it is not recycled: placement_cancel comes first, and then our count is waited for. */
		c = p->conn;
		fetch_add(&c->users, 1);
	}
	lock_drop(&placement_lock);
	if (!c) {
		critical_exit();
		return false;
	}
	placement_slice(c);
	conn_put(c);
	return placement_any();
}

/* Bytes of all placements of C so far. */
static uint64_t moved(const struct conn *c)
{
	const struct errqueue *q = load_acquire(&c->errors);
	const struct placements *p = q ? load_acquire(&q->placements) : NULL;

	return p ? load_relaxed(&p->moved) : 0;
}

int placement_finish(struct conn *c, int fd, uint64_t limit_ns)
{
	uint64_t handlers = thread_self.handlers, interruptions = thread_self.interruptions;
	uint64_t start = clock_monotonic(), before = moved(c);
	uint32_t generation = c->generation;

	while (placement_slice(c)) {
		conn_put_keep(c);
		if (!conn_get_again(c, generation, fd))
			return -EBADF;
		if (thread_self.interruptions != interruptions || (limit_ns && thread_self.handlers != handlers))
			return -EINTR;
		if (moved(c) != before) {
			before = moved(c);
			start = clock_monotonic();
		} else if (limit_ns && clock_monotonic() - start > limit_ns) {
			return -EAGAIN;
		}
	}
	return 0;
}

/* Takes out the first, if it may not go on and nobody is at work on it. Under the lock. */
static bool drop_first(struct errqueue *q, struct placements *p, bool reads_only)
{
	if (p->worker || !p->first || (reads_only && p->first->write))
		return false;
	free(remove_first(q, p));
	return true;
}

static void drop(struct conn *c, bool reads_only)
{
	struct errqueue *q = load_acquire(&c->errors);
	struct placements *p = q ? load_acquire(&q->placements) : NULL;

	if (!p)
		return;
	lock_take(&placement_lock);
	while (drop_first(q, p, reads_only))
		;
	lock_drop(&placement_lock);
}

/* Works at C's as long as PACE bytes move in PACE_NS. */
static void finish_in_time(struct conn *c, bool writes_only)
{
	uint64_t start = clock_monotonic(), before = moved(c);

	do {
		if (writes_only)
			drop(c, true);
		if (moved(c) - before >= PACE) {
			before = moved(c);
			start = clock_monotonic();
		} else if (clock_monotonic() - start > PACE_NS) {
			return;
		}
	} while (placement_slice(c));
}

void placement_close(struct conn *c)
{
	finish_in_time(c, true);
	drop(c, false);
}

void placement_exec(struct conn *c)
{
	finish_in_time(c, false);
}

void placement_cancel(struct conn *c)
{
	struct errqueue *q = load_acquire(&c->errors);
	struct placements *p = q ? load_acquire(&q->placements) : NULL;

	while (p && load_acquire(&q->pending)) {
		drop(c, false);
		if (load_relaxed(&p->worker) == thread_id())
			return;
		if (load_acquire(&q->pending))
			sys_call0(SYS_sched_yield);
	}
}

void placement_forked(struct conn *c)
{
	struct placements *p = c->errors ? c->errors->placements : NULL;

	placement_lock.word = 0;
	placement_total = 0;
	list_first = list_last = NULL;
	if (p)
		*p = (struct placements){.conn = p->conn};
}
