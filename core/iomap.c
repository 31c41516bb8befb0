/* Direct data placement. DESIGN NOTES. The mapper publishes offset, length, address and rights in its table in the channel (wire.h);
 * the other side finds the offset there, announces its visit, looks whether the map still stands, and lets the kernel copy
 * (process_vm_writev, process_vm_readv). Taking a map back is the mirror image: first the map is invalid, then visits are waited for. So when
 * riounmap has returned nothing is written there any more. Who may: the kernel decides, and we only ask for a peer of our own
 * user, so that the table of another user's process can never send us into a third one's memory. A pid may mean another process by
 * now: the mapper keeps a random token in its memory that must be found where the table says, before each copy.
 * The copy is done when the call returns, so every later byte of the stream comes after it.
 * Where the kernel allows no copy the table is published all the same, without addresses: limits, rights and bounds are looked up in it
 * as ever, and only the bytes go another way (place.h).
 * Between hosts (far.h) nothing is shared: the mapper's table is its own, for the limit that the peer told, and what there is of a map
 * the answer says. */
#include "iomap.h"
#include "epoll.h"
#include "kernel.h"
#include "log.h"
#include "message.h"
#include "place.h"
#include "placement.h"
#include "process.h"
#include "promote.h"
#include "reach.h"
#include "rendezvous.h"
#include "rsocket.h"
#include "service.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define PIECE (1u << 20)       /* bytes a visit */
#define FOUND_NS 5000000000ull /* how long the peer is waited for */
#define REFUSE_NS 1000000000ull
#define ALONE_NS \
	200000000ull   /* the same by riomap if it is in this process, maybe in this very thread; then the map waits */
#define PAUSE_NS 20000 /* between looks, at first */
#define PAUSE_MAX_NS 1000000
#define NONBLOCK_NS 1000000000ull      /* the longest that a call waits for answers which may not block */
#define SLICE_NS 1000000               /* the same in a wait for something else */
#define VISIT_NS 1000000000ull         /* the longest that a visit is waited for */
#define RACES_MAX 1000                 /* maps that changed under us: beyond that it is a hostile table */
#define HUGE_SIZE ((uintptr_t)2 << 20) /* of a huge page, on most machines */
#define NO_ENTRY UINT32_MAX

struct map {
	void *buf;
	size_t size;
	int prot;
	uint64_t offset;
	uint32_t entry;   /* in our table; NO_ENTRY: not there, or not yet */
	uint32_t owner;   /* the process that mapped it: after a fork, not always this one */
	uint32_t leaving; /* 1: taken back, but a visit was not over: riounmap must be called again */
	struct map *next;
};

struct iomap {
	struct lock lock; /* guards the maps of this process */
	struct map *maps;
	uint32_t pending; /* of them, how many wait for the channel */
	/* Constant once own is set, with release. NULL: no channel yet, or none with tables. */
	struct wire_iomap *own, *peer;
	uint32_t own_count, peer_count; /* entries; our own copies */
	struct ucred peer_cred;
	uint32_t last;              /* the entry of the peer's that was visited last */
	uint32_t put_off;           /* 1: a send was told EAGAIN, though TCP takes bytes; relaxed */
	uint32_t kin;               /* a child of the peer's that was last seen to be one; relaxed */
	struct wire_iomap *side[2]; /* where the tables are; NULL: there are none */
	uint32_t refused;           /* 1: there are, but how bytes are placed was not agreed on */

	/* Constant with own. How bytes are placed: by a copy, or by message, both by this process, whichever met the peer. */
	bool direct;  /* we copy */
	bool exposed; /* the peer copies */
	struct place place;
	int serve; /* where the peer asks us; -1: nowhere */
	uint32_t owner;
	bool far; /* the peer is on another host: both by message, and no table of its maps */
};

static struct iomap *iomap_get(struct conn *c)
{
	struct iomap *i = load_acquire(&c->iomap), *expect = NULL;

	if (i)
		return i;
	i = calloc(1, sizeof *i);
	if (i)
		i->place.ask = i->serve = -1;
	if (i && !compare_swap(&c->iomap, &expect, i)) {
		free(i);
		i = expect;
	}
	return i;
}

/* A zombie is none: it copies nothing any more. */
static bool process_lives(uint32_t pid)
{
	int fd;
	bool lives;

	if (pid == 0 || pid > INT_MAX)
		return false;
	fd = (int)sys_call2(SYS_pidfd_open, pid, 0);
	if (fd == -ENOSYS)
		return sys_call2(SYS_kill, pid, 0) != -ESRCH;
	if (fd < 0)
		return fd != -ESRCH;
	lives = !(kernel_poll_now(fd, POLLIN) & POLLIN);
	sys_close(fd);
	return lives;
}

/* --- the mapper --- */

/* The kernel looks up each page of a copy: half of its time, but for huge ones. Where it has none to give, nothing changes. */
static void memory_collapse(const void *buf, size_t size)
{
	uintptr_t start = ((uintptr_t)buf + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1);
	uintptr_t end = ((uintptr_t)buf + size) & ~(HUGE_SIZE - 1);

	if (size >= HUGE_SIZE && end > start)
		sys_call3(SYS_madvise, start, end - start, MADV_COLLAPSE);
}

/* Writes M into a free entry of our table. The lock is held. 0, -ENOMEM (full), or -EIO. */
static int publish(struct iomap *i, struct map *m)
{
	const uint64_t none[2] = {0}, *t = i->exposed ? reach_token() : none;

	if (!t)
		return -EIO;
	for (uint32_t k = 0; k < i->own_count; k++) {
		struct wire_map *e = &i->own->map[k];
		uint32_t owner = load_relaxed(&e->owner), high = load_relaxed(&i->own->high), turn;

		/* What a dead sibling left. */
		if (owner && owner != m->owner && !process_lives(owner) && compare_swap(&e->owner, &owner, 0)) {
			fetch_and(&e->turn, ~1u);
			owner = 0;
		}
		if (owner || !compare_swap(&e->owner, &owner, m->owner))
			continue;
		turn = load_relaxed(&e->turn) & ~1u;
		store_relaxed(&e->prot, (uint32_t)m->prot);
		store_relaxed(&e->offset, m->offset);
		store_relaxed(&e->length, m->size);
		/* Where our memory is, is not for those who have no business there. */
		store_relaxed(&e->address, i->exposed ? (uint64_t)(uintptr_t)m->buf : 0);
		store_relaxed(&e->token_at, i->exposed ? (uint64_t)(uintptr_t)t : 0);
		store_relaxed(&e->token[0], t[0]);
		store_relaxed(&e->token[1], t[1]);
		while (high < k + 1 && !compare_swap(&i->own->high, &high, k + 1))
			;
		store_release(&e->turn, turn + 1);
		m->entry = k;
		return 0;
	}
	return -ENOMEM;
}

static bool visited(struct iomap *i, uint32_t entry)
{
	/* Who asks by message visits nothing: what it says there is not true. */
	if (!i->exposed)
		return false;
	for (int k = 0; k < WIRE_VISITORS; k++) {
		uint64_t visit = load_acquire(&i->own->visitor[k]);

		if ((uint32_t)visit != entry + 1)
			continue;
		if (process_lives((uint32_t)(visit >> 32)))
			return true;
		compare_swap(&i->own->visitor[k], &visit, 0);
	}
	return false;
}

/* The peer finds M no more. */
static void retract(struct iomap *i, struct map *m)
{
	struct wire_map *e = &i->own->map[m->entry];

	/* The peer may have written there too: whatever it says, it is even afterwards. */
	if (load_relaxed(&e->turn) & 1)
		fetch_add(&e->turn, 1);
	fetch_and(&e->turn, ~1u);
}

/* The peer may still be copying into what was retracted: waits, not beyond END. True when it is over; the entry is free then. */
static bool visits_end(struct iomap *i, struct map *m, uint64_t end)
{
	for (unsigned turn = 0; visited(i, m->entry); turn++) {
		if (clock_monotonic() > end)
			return false;
		if (turn < 100)
			sys_call0(SYS_sched_yield);
		else
			kernel_sleep_ms(1);
	}
	store_release(&i->own->map[m->entry].owner, 0);
	m->entry = NO_ENTRY;
	return true;
}

/* Before a map of ours is published: whoever places bytes there must be able to. 0, -ENOMEM, or -EOPNOTSUPP: this process has not met
 * the peer, its parent has. Not under the lock. */
static int expose(struct iomap *i)
{
	if (i->exposed) {
		reach_let_in(&i->peer_cred);
		return 0;
	}
	if (i->owner != process_pid())
		return -EOPNOTSUPP;
	return i->serve < 0 ? 0 : service_add(i->serve, i, i->far);
}

void iomap_publish(struct conn *c)
{
	struct iomap *i = load_acquire(&c->iomap);
	bool none;

	if (!i || !load_acquire(&i->own))
		return;
	lock_take(&i->lock);
	none = !i->maps;
	lock_drop(&i->lock);
	if (none)
		return;
	if (expose(i) < 0) {
		log_at(LOG_WARN, "descriptor %d: the peer cannot be let into what was mapped", conn_fd(c));
		return;
	}
	lock_take(&i->lock);
	for (struct map *m = i->maps; m; m = m->next)
		if (m->entry == NO_ENTRY && m->prot && !m->leaving && m->owner == process_pid() && publish(i, m) < 0)
			log_at(LOG_WARN, "descriptor %d: the peer takes fewer maps: one stays unknown to it",
			       conn_fd(c));
	i->pending = 0;
	lock_drop(&i->lock);
}

/* All maps of C together are waited for as long as one. */
static void withdraw(struct conn *c, uint64_t patience_ns)
{
	struct iomap *i = load_acquire(&c->iomap);
	uint64_t end;

	if (!i || !load_acquire(&i->own))
		return;
	end = clock_monotonic() + patience_ns;
	lock_take(&i->lock);
	for (struct map *m = i->maps; m; m = m->next)
		if (m->entry != NO_ENTRY && m->owner == process_pid())
			retract(i, m);
	for (struct map *m = i->maps; m; m = m->next)
		if (m->entry != NO_ENTRY && m->owner == process_pid())
			visits_end(i, m, end);
	lock_drop(&i->lock);
}

void iomap_withdraw(struct conn *c)
{
	withdraw(c, VISIT_NS);
}

void iomap_attach(struct conn *c, void *area, const uint16_t maps[2], const struct ucred *peer)
{
	struct iomap *i = iomap_bytes(maps) ? iomap_get(c) : NULL;

	if (!i)
		return;
	i->side[0] = area;
	i->side[1] =
		(struct wire_iomap *)(void *)((uint8_t *)area + sizeof *i->side[0] + maps[0] * sizeof(struct wire_map));
	i->peer_cred = *peer;
	i->own_count = maps[c->side];
	i->peer_count = maps[!c->side];
}

void iomap_settle(struct conn *c, const struct placing *p)
{
	struct iomap *i = load_acquire(&c->iomap);

	if (i && i->side[0] && p) {
		i->direct = p->direct;
		/* What another user's process says of its rights is not to be believed: it would learn addresses. */
		i->exposed = p->exposed && i->peer_cred.uid == (uint32_t)sys_call0(SYS_geteuid);
		i->place.ask = p->ask;
		i->serve = p->serve;
		i->owner = process_pid();
		i->peer = i->side[!c->side];
		store_release(&i->own, i->side[c->side]);
		iomap_publish(c);
		store_release(&i->own->ready, 1);
	} else {
		if (i)
			store_relaxed(&i->refused, i->side[0] != NULL);
		if (p && p->ask >= 0) {
			message_close(p->ask);
			message_close(p->serve);
		}
	}
	store_release(&c->maps_settled, 1);
}

static size_t table_bytes(uint32_t count)
{
	return sizeof(struct wire_iomap) + (size_t)count * sizeof(struct wire_map);
}

int iomap_meet_far(struct conn *c, int ask, int serve, uint32_t takes)
{
	struct iomap *i = iomap_get(c);
	void *table;

	if (!i || takes > WIRE_MAPS_MAX)
		return -ENOMEM;
	table = mmap(NULL, table_bytes(takes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		     0);
	if (table == MAP_FAILED)
		return -ENOMEM;
	if (place_far(&i->place, ask) < 0) {
		kernel_unmap(table, table_bytes(takes));
		return -ENOMEM;
	}
	i->far = true;
	i->serve = serve;
	i->owner = process_pid();
	i->own_count = takes;
	/* Also for those who map nothing: the peer is told so. */
	if (service_add(serve, i, true) < 0) {
		i->place.ask = i->serve = -1;
		i->far = false;
		place_fini(&i->place);
		kernel_unmap(table, table_bytes(takes));
		return -ENOMEM;
	}
	store_release(&i->own, (struct wire_iomap *)table);
	iomap_publish(c);
	store_release(&c->maps_settled, 1);
	return 0;
}

void iomap_refuse(struct conn *c)
{
	struct iomap *i = iomap_get(c);

	if (i)
		store_relaxed(&i->refused, 1);
	store_release(&c->maps_settled, 1);
}

void iomap_forked(struct conn *c)
{
	struct iomap *i = c->iomap;

	if (!i)
		return;
	i->lock.word = 0;
	place_forked(&i->place);
	if (i->serve >= 0)
		own_fd_close(i->serve);
	i->serve = -1;
}

void iomap_fini(struct conn *c)
{
	struct iomap *i = load_acquire(&c->iomap);

	if (!i)
		return;
	/* That was done, but for what a thread mapped meanwhile. */
	withdraw(c, 0);
	service_remove(i);
	if (i->far)
		own_fd_close(i->serve);
	else
		message_close(i->serve);
	place_fini(&i->place);
	store_release(&c->iomap, NULL);
	for (struct map *m = i->maps, *next; m; m = next) {
		next = m->next;
		if (m->entry != NO_ENTRY && m->owner == process_pid())
			log_at(LOG_WARN, "descriptor %d: closed while the peer still writes into a map", conn_fd(c));
		free(m);
	}
	if (i->far)
		kernel_unmap(i->own, table_bytes(i->own_count));
	free(i);
}

/* Whether the memory is there and may be used so. Also brings it in, so that no write waits for a page. 0 or -EFAULT. */
static int memory_check(void *buf, size_t size, int prot)
{
	static int known; /* 1: the kernel has the advice, -1: not */
	int advice = prot == PROT_READ ? MADV_POPULATE_READ : MADV_POPULATE_WRITE;
	uintptr_t start = (uintptr_t)buf & ~(uintptr_t)(WIRE_PAGE - 1), end = (uintptr_t)buf + size;
	long error;

	if (end < (uintptr_t)buf)
		return -EFAULT;
	if (load_relaxed(&known) == 0) {
		uintptr_t here = (uintptr_t)&known & ~(uintptr_t)(WIRE_PAGE - 1);

		store_relaxed(&known, sys_call3(SYS_madvise, here, WIRE_PAGE, MADV_POPULATE_READ) == 0 ? 1 : -1);
	}
	if (load_relaxed(&known) < 0)
		return 0; /* a kernel before 5.14: the peer's first write finds out */
	end = (end + WIRE_PAGE - 1) & ~(uintptr_t)(WIRE_PAGE - 1);
	do
		error = sys_call3(SYS_madvise, start, end - start, advice);
	while (error == -EINTR || error == -EAGAIN);
	return error == 0 ? 0 : -EFAULT;
}

/* Whether the connection is over, for what the peer still could do with it. */
static bool ended(struct conn *c)
{
	return errqueue_poll_now(c, POLLRDHUP) & (POLLRDHUP | POLLHUP | POLLERR);
}

static bool is_settled(struct conn *c)
{
	return load_acquire(&c->maps_settled);
}

/* Young enough that the other end may still be on its way. */
static bool young(const struct conn *c, uint64_t limit_ns)
{
	return clock_realtime() - load_relaxed(&c->stats->opened_ns) < limit_ns;
}

bool iomap_searching(struct conn *c)
{
	return iomap_waits(c) && (load_acquire(&c->attached) || !promote_over(c)) && rsocket_opened(c) &&
	       young(c, FOUND_NS);
}

/* Lets go of C and sleeps for a moment, or until EVENTS; holds it again. 0, -EINTR, or -EBADF: it was closed. */
static int nap(struct conn *c, int fd, short events, long *pause_ns)
{
	struct pollfd wait = {.fd = fd, .events = (short)(events | POLLRDHUP)};
	struct timespec time = {0, *pause_ns};
	uint32_t generation = c->generation;
	int error;

	if (*pause_ns < PAUSE_MAX_NS)
		*pause_ns *= 2;
	conn_put_keep(c);
	error = kernel_ppoll(&wait, events ? 1 : 0, &time, NULL) < 0 ? -errno : 0;
	return conn_get_again(c, generation, fd) ? error : -EBADF;
}

void iomap_meet_now(int fd, short events, bool nonblock)
{
	struct conn *c = conn_get(fd);
	long pause_ns = PAUSE_NS;

	if (!c)
		return;
	if (iomap_searching(c) || load_acquire(&c->attached))
		promote_look(c);
	while (iomap_searching(c) && !nonblock && !load_relaxed(&c->shared->nonblock) &&
	       !(kernel_poll_now(fd, (short)(events | POLLRDHUP)) & ~POLLOUT) && nap(c, fd, events, &pause_ns) == 0)
		promote_look(c);
	conn_put(c);
}

/* Whether a send that may not wait is put off: it could be the last call of a program that only looks at its memory from now on. */
static bool refuses(struct conn *c)
{
	return iomap_searching(c) && young(c, REFUSE_NS);
}

int iomap_meet_send(int fd, int flags)
{
	struct conn *c = fdtab_conn(fd);
	struct iomap *i = c ? load_acquire(&c->iomap) : NULL;
	bool put_off;

	if (!i || is_settled(c) || !load_relaxed(&i->pending))
		return 0;
	iomap_meet(fd, 0, flags & MSG_DONTWAIT);
	c = conn_get(fd);
	if (!c)
		return 0;
	put_off = ((flags & MSG_DONTWAIT) || load_relaxed(&c->shared->nonblock)) && refuses(c);
	if (put_off) {
		store_relaxed(&i->put_off, 1);
		rsocket_map_search_begins();
	}
	conn_put(c);
	return put_off ? -EAGAIN : 0;
}

void iomap_met(struct conn *c)
{
	struct iomap *i = load_acquire(&c->iomap);

	if (i && load_relaxed(&i->put_off) && !refuses(c)) {
		store_relaxed(&i->put_off, 0);
		epoll_again(c);
	}
}

bool iomap_unmet(struct conn *c)
{
	const struct iomap *i = load_acquire(&c->iomap);

	return iomap_searching(c) || (iomap_waits(c) && load_acquire(&c->attached)) || (i && load_relaxed(&i->put_off));
}

/* Whether there will be no placement. */
static bool over(struct conn *c)
{
	return !load_acquire(&c->attached) && promote_over(c);
}

/* Waits, if the call may, until DONE or the search has ended. 0, -EINTR, or -EBADF. */
static int await_peer(struct conn *c, int fd, bool nonblock, uint64_t limit_ns, bool (*done)(struct conn *c))
{
	uint64_t start = clock_monotonic();
	long pause_ns = PAUSE_NS;
	int error = 0;

	for (;;) {
		if (!done(c))
			promote_look(c);
		if (done(c) || nonblock || over(c) || ended(c) || clock_monotonic() - start > limit_ns)
			return 0;
		error = nap(c, fd, 0, &pause_ns);
		if (error < 0)
			return error;
	}
}

static bool is_ready(struct conn *c)
{
	struct iomap *i = load_acquire(&c->iomap);

	return is_settled(c) && (!i || !load_acquire(&i->own) || i->far || load_acquire(&i->peer->ready));
}

static bool overlaps(const struct iomap *i, uint64_t offset, size_t size)
{
	for (const struct map *m = i->maps; m; m = m->next)
		if (m->prot && m->owner == process_pid() && offset < m->offset + m->size && m->offset < offset + size)
			return true;
	return false;
}

/* Adds M under the lock. 0 or -errno. */
static int map_add(struct conn *c, struct iomap *i, struct map *m)
{
	int error = 0;

	if (m->prot) {
		if (overlaps(i, m->offset, m->size))
			return -EEXIST;
		if (load_acquire(&i->own)) {
			error = publish(i, m);
		} else if (load_relaxed(&i->refused) || over(c)) {
			error = -EOPNOTSUPP;
		} else if (is_settled(c) || i->pending >= c->rsocket.iomap_size) {
			error = -ENOMEM;
		} else {
			i->pending++;
		}
	}
	if (error == 0) {
		m->next = i->maps;
		i->maps = m;
	}
	return error;
}

/* Adds M once the peer can use it. The channel may come meanwhile. 0 or -errno. */
static int map_exposed(struct conn *c, struct iomap *i, struct map *m)
{
	for (;;) {
		bool there = load_acquire(&i->own), came;
		int error = there && m->prot ? expose(i) : 0;

		if (error < 0)
			return error;
		lock_take(&i->lock);
		came = load_acquire(&i->own) && !there && m->prot;
		if (!came)
			error = map_add(c, i, m);
		lock_drop(&i->lock);
		if (!came)
			return error;
	}
}

struct end {
	struct sockaddr_storage peer; /* of the one whose other end is looked for */
	socklen_t size;
	bool found;
};

static void compare_end(struct conn *c, void *arg)
{
	struct end *end = arg;
	struct sockaddr_storage name;
	socklen_t size = sizeof name;

	end->found |= sys_call3(SYS_getsockname, conn_fd(c), &name, &size) == 0 && size == end->size &&
		      memcmp(&name, &end->peer, size) == 0;
}

/* Whether C's other end is a connection of this process too. */
static bool both_ends_here(struct conn *c)
{
	struct end end = {.size = sizeof end.peer};

	if (sys_call3(SYS_getpeername, conn_fd(c), &end.peer, &end.size) == 0)
		conn_each(compare_end, &end);
	return end.found;
}

static off_t map_buffer(struct conn *c, int fd, void *buf, size_t size, int prot, off_t offset)
{
	struct iomap *i;
	struct map *m;
	int error;

	if (!rsocket_opened(c) || load_relaxed(&c->stats->reason) == REASON_LISTENING)
		return -EINVAL;
	/* A map that waits is of no use to a peer that finds us spinning on our memory. */
	if (prot && !is_settled(c)) {
		error = await_peer(c, fd, load_relaxed(&c->shared->nonblock), both_ends_here(c) ? ALONE_NS : FOUND_NS,
				   is_settled);
		if (error < 0)
			return error;
	}
	i = iomap_get(c);
	m = i ? calloc(1, sizeof *m) : NULL;
	if (!m)
		return -ENOMEM;
	*m = (struct map){.buf = buf,
			  .size = size,
			  .prot = prot,
			  .offset = (uint64_t)offset,
			  .entry = NO_ENTRY,
			  .owner = process_pid()};
	error = map_exposed(c, i, m);
	if (error < 0)
		free(m);
	return error < 0 ? error : offset;
}

off_t rsocket_iomap(int fd, void *buf, size_t size, int prot, int flags, off_t offset)
{
	struct conn *c;
	off_t result;
	int error;

	(void)flags; /* none is defined */
	if (fdtab_kind(fd) == FD_DGRAM)
		return -EOPNOTSUPP;
	if (fdtab_kind(fd) != FD_CONN)
		return -EBADF;
	if (offset == -1)
		offset = (off_t)(uintptr_t)buf;
	if ((prot & ~(PROT_READ | PROT_WRITE)) || size == 0 || offset < 0 || size > (size_t)INT64_MAX - (size_t)offset)
		return -EINVAL;
	error = memory_check(buf, size, prot);
	if (error < 0)
		return error;
	c = conn_get(fd);
	if (!c)
		return -EBADF;
	result = map_buffer(c, fd, buf, size, prot, offset);
	if (result >= 0 && prot)
		memory_collapse(buf, size);
	conn_put(c);
	return result;
}

/* The first map of BUF and SIZE goes. 0, -EINVAL no such map, -EBUSY the peer is still copying. Under the lock. */
static int map_remove(struct iomap *i, const void *buf, size_t size)
{
	struct map **p = &i->maps, *m;

	while (*p && ((*p)->buf != buf || (*p)->size != size || (*p)->owner != process_pid()))
		p = &(*p)->next;
	m = *p;
	if (!m)
		return -EINVAL;
	if (m->entry != NO_ENTRY) {
		retract(i, m);
		m->leaving = 1;
		if (!visits_end(i, m, clock_monotonic() + VISIT_NS))
			return -EBUSY;
	} else if (m->prot && i->pending) {
		i->pending--;
	}
	*p = m->next;
	free(m);
	return 0;
}

int rsocket_iounmap(int fd, void *buf, size_t size)
{
	struct conn *c;
	struct iomap *i;
	int error = -EINVAL;

	if (fdtab_kind(fd) == FD_DGRAM)
		return -EOPNOTSUPP;
	c = fdtab_kind(fd) == FD_CONN ? conn_get(fd) : NULL;
	if (!c)
		return -EBADF;
	i = load_acquire(&c->iomap);
	if (i) {
		lock_take(&i->lock);
		error = map_remove(i, buf, size);
		lock_drop(&i->lock);
	}
	conn_put(c);
	return error;
}

ssize_t iomap_hold(struct iomap *i, uint64_t offset, size_t size, int prot, char **memory)
{
	const struct map *m;
	uint64_t left;

	lock_take(&i->lock);
	for (m = i->maps; m; m = m->next)
		if (m->entry != NO_ENTRY && !m->leaving && m->owner == process_pid() && offset >= m->offset &&
		    offset - m->offset < m->size)
			break;
	if (!m || !(m->prot & prot)) {
		lock_drop(&i->lock);
		return m ? -EACCES : -EFAULT;
	}
	left = m->size - (offset - m->offset);
	*memory = (char *)m->buf + (offset - m->offset);
	return (ssize_t)(size < left ? size : left);
}

void iomap_let_go(struct iomap *i)
{
	lock_drop(&i->lock);
}

/* --- the other side --- */

/* What a table said of one map, read once. */
struct found {
	uint32_t entry, turn, prot, owner;
	uint64_t offset, length, address, token_at, token[2];
};

/* Whether entry K of the peer's table is a map that has OFFSET. */
static bool entry_read(const struct iomap *i, uint32_t k, uint64_t offset, struct found *f)
{
	const struct wire_map *e = &i->peer->map[k];

	f->entry = k;
	f->turn = load_acquire(&e->turn);
	if (!(f->turn & 1))
		return false;
	f->prot = load_relaxed(&e->prot);
	f->owner = load_relaxed(&e->owner);
	f->offset = load_relaxed(&e->offset);
	f->length = load_relaxed(&e->length);
	f->address = load_relaxed(&e->address);
	f->token_at = load_relaxed(&e->token_at);
	f->token[0] = load_relaxed(&e->token[0]);
	f->token[1] = load_relaxed(&e->token[1]);
	full_barrier();
	if (load_relaxed(&e->turn) != f->turn)
		return false;
	/* Nothing here may wrap, whoever wrote it. */
	return offset >= f->offset && f->length <= INT64_MAX && offset - f->offset < f->length && f->owner > 0 &&
	       f->owner <= INT_MAX && f->address <= UINT64_MAX - f->length;
}

static bool find(struct iomap *i, uint64_t offset, struct found *f)
{
	uint32_t last = load_relaxed(&i->last), high = load_acquire(&i->peer->high);

	if (high > i->peer_count)
		high = i->peer_count;
	if (last < high && entry_read(i, last, offset, f))
		return true;
	for (uint32_t k = 0; k < high; k++)
		if (entry_read(i, k, offset, f)) {
			store_relaxed(&i->last, k);
			return true;
		}
	return false;
}

/* Announces a visit to F's entry. The place to clear, or NULL: a hostile peer filled them all. */
static uint64_t *visit_begin(struct iomap *i, const struct found *f)
{
	uint64_t mine = (uint64_t)process_pid() << 32 | (f->entry + 1), start = 0;

	for (unsigned turn = 0;; turn++) {
		for (int k = 0; k < WIRE_VISITORS; k++) {
			uint64_t *place = &i->peer->visitor[k], visit = load_relaxed(place);

			if (visit && turn > 100 && !process_lives((uint32_t)(visit >> 32)) &&
			    compare_swap(place, &visit, 0))
				visit = 0;
			if (visit == 0 && compare_swap(place, &visit, mine))
				return place;
		}
		if (turn == 0)
			start = clock_monotonic();
		else if (clock_monotonic() - start > VISIT_NS)
			return NULL;
		sys_call0(SYS_sched_yield);
	}
}

static void visit_end(uint64_t *place)
{
	store_release(place, 0);
}

static uint32_t parent_of(uint32_t pid)
{
	char path[32], text[512] = "", *end;
	int file;

	snprintf(path, sizeof path, "/proc/%u/stat", pid);
	file = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (file < 0)
		return 0;
	sys_read(file, text, sizeof text - 1);
	sys_close(file);
	/* PID (name) state parent: the name may hold anything. */
	end = strrchr(text, ')');
	return end && strlen(end) > 4 ? (uint32_t)strtoul(end + 4, NULL, 10) : 0;
}

/* Whether OWNER may be named in the peer's table: the process that met us, as the kernel told, or its child. Any other one would have
 * us copy to or from memory that is not the peer's to give: our own, for a start, which no kernel keeps us from. */
static bool owner_allowed(struct iomap *i, uint32_t owner)
{
	uint32_t peer = (uint32_t)i->peer_cred.pid;

	if (owner == peer || owner == load_relaxed(&i->kin))
		return true;
	/* Ourselves only if we were forked by a process that had both ends. */
	if (owner == process_pid() ? peer != i->owner : parent_of(owner) != peer)
		return false;
	store_relaxed(&i->kin, owner);
	return true;
}

/* Whether F's owner still is the process that made the map, and lets us in. 0, or -errno. */
static int owner_check(struct iomap *i, const struct found *f)
{
	uint64_t there[2];
	struct iovec to = {there, sizeof there}, from = {(void *)(uintptr_t)f->token_at, sizeof there};
	long n;

	if (!owner_allowed(i, f->owner))
		return -EPERM;
	n = sys_call6(SYS_process_vm_readv, f->owner, (long)&to, 1, (long)&from, 1, 0);
	if (n == -EPERM || n == -ENOSYS)
		return -EPERM;
	return n == sizeof there && there[0] == f->token[0] && there[1] == f->token[1] ? 0 : -ECONNRESET;
}

/* One system call. The last byte goes last: who spins on it finds the others. Bytes or -errno. */
static ssize_t copy(const struct found *f, char *buf, size_t size, uint64_t offset, bool write)
{
	char *there = (char *)(uintptr_t)(f->address + (offset - f->offset));
	struct iovec here = {buf, size}, parts[2] = {{there, size - 1}, {there + size - 1, 1}};

	return sys_call6(write ? SYS_process_vm_writev : SYS_process_vm_readv, f->owner, (long)&here, 1, (long)parts, 2,
			 0);
}

/* Copies at most PIECE bytes between BUF and the peer's OFFSET. Bytes, or -errno: -EFAULT no such map, -EACCES not for this, -ESTALE it
 * changed at this moment. */
static ssize_t visit(struct iomap *i, char *buf, size_t size, uint64_t offset, bool write)
{
	struct found f;
	uint64_t *place, left;
	ssize_t n;

	if (!find(i, offset, &f))
		return -EFAULT;
	if (!(f.prot & (write ? PROT_WRITE : PROT_READ)))
		return -EACCES;
	place = visit_begin(i, &f);
	if (!place)
		return -EBUSY;
	if (load_acquire(&i->peer->map[f.entry].turn) != f.turn) {
		visit_end(place);
		return -ESTALE;
	}
	left = f.length - (offset - f.offset);
	if (size > left)
		size = (size_t)left;
	if (size > PIECE)
		size = PIECE;
	n = owner_check(i, &f);
	if (n == 0)
		n = copy(&f, buf, size, offset, write);
	visit_end(place);
	if (n == -ESRCH)
		return -ECONNRESET;
	return n == 0 ? -EFAULT : n;
}

/* Before the first copy: the peer must have been found. 0 or -errno. */
static int placement_ready(struct conn *c, int fd, bool nonblock)
{
	int error;

	if (!rsocket_opened(c) || load_relaxed(&c->stats->reason) == REASON_LISTENING)
		return -ENOTCONN;
	if (load_relaxed(&c->shared->shut_send) && load_relaxed(&c->shared->shut_recv))
		return -ECONNRESET;
	if (!is_ready(c)) {
		error = await_peer(c, fd, nonblock, FOUND_NS, is_ready);
		if (error < 0)
			return error;
	}
	if (is_ready(c))
		return 0;
	if (ended(c))
		return -ECONNRESET;
	/* One that stays on TCP had no other reason to come. */
	if (over(c) || (load_relaxed(&c->never) && !load_acquire(&c->attached) && !young(c, FOUND_NS)))
		return -EOPNOTSUPP;
	return nonblock && young(c, FOUND_NS) ? -EAGAIN : -ETIMEDOUT;
}

static ssize_t piece_direct(struct iomap *i, char *buf, size_t size, uint64_t offset, bool write)
{
	ssize_t n = -ESTALE;

	/* A filter that the program installed may kill for what it does not know. */
	if (load_relaxed(&process_filtered))
		return -EPERM;
	/* Another user's process could show us the memory of a third one. */
	if (i->peer_cred.uid != (uint32_t)sys_call0(SYS_geteuid))
		return -EPERM;
	for (int race = 0; n == -ESTALE && race < RACES_MAX; race++)
		n = visit(i, buf, size, offset, write);
	return n == -ESTALE ? -EFAULT : n;
}

/* The peer's table says what there is; whether it is true is the peer's to know. */
static ssize_t piece_by_message(struct conn *c, struct iomap *i, struct place_question *q)
{
	struct found f;
	uint64_t left;

	if (!find(i, q->offset, &f))
		return -EFAULT;
	if (!(f.prot & (q->write ? PROT_WRITE : PROT_READ)))
		return -EACCES;
	if (i->owner != process_pid())
		return -EOPNOTSUPP;
	if (i->place.ask < 0)
		return -EPERM;
	left = f.length - (q->offset - f.offset);
	if (q->size > left)
		q->size = (size_t)left;
	return place_ask(c, &i->place, q);
}

/* The peer is on another host, and knows alone what it has mapped. */
static ssize_t piece_far(struct conn *c, struct iomap *i, struct place_question *q)
{
	if (i->owner != process_pid())
		return -EOPNOTSUPP;
	if (q->size > WIRE_PLACE_MAX)
		q->size = WIRE_PLACE_MAX;
	/* The bytes are copied before the kernel sees them. */
	if (q->write && memory_check(q->buf, q->size, PROT_READ) < 0)
		return -EFAULT;
	return place_ask(c, &i->place, q);
}

/* One piece of at most PIECE bytes. As visit(), but by message it may let go of C, wait, and hold C again: see place_ask. */
static ssize_t piece_try(struct conn *c, struct place_question *q)
{
	struct iomap *i = load_acquire(&c->iomap);
	const bool agreed = i && load_acquire(&i->own);
	ssize_t n;

	if (!agreed)
		n = i && load_relaxed(&i->refused) ? -EOPNOTSUPP : -EFAULT;
	else if (i->far)
		n = piece_far(c, i, q);
	else if (i->direct)
		n = piece_direct(i, q->buf, q->size, q->offset, q->write);
	else
		n = piece_by_message(c, i, q);
	/* Its maps went with the connection. */
	if (n != -EBADF && (n == -EFAULT || !agreed) &&
	    ((agreed && !i->far && load_acquire(&conn_peer(c)->closed)) || ended(c)))
		n = -ECONNRESET;
	return n;
}

uint64_t iomap_patience(const struct conn *c, bool write, bool nonblock)
{
	uint64_t limit = load_relaxed(write ? &c->shared->send_timeout_ns : &c->shared->recv_timeout_ns);

	return nonblock && (!limit || limit > NONBLOCK_NS) ? NONBLOCK_NS : limit;
}

ssize_t iomap_piece(struct conn *c, char *buf, size_t size, uint64_t offset, bool write)
{
	struct place_question q = {buf, size, offset, write, .lent = true, .limit_ns = SLICE_NS};

	return piece_try(c, &q);
}

bool iomap_direct(const struct conn *c)
{
	const struct iomap *i = load_acquire(&c->iomap);

	return i && i->direct;
}

/* What would be wrong with a placement at OFFSET if it came now. 0 or -errno. */
static int check(struct conn *c, uint64_t offset, bool write)
{
	struct iomap *i = load_acquire(&c->iomap);
	struct found f;

	if (ended(c))
		return -ECONNRESET;
	if (i && load_acquire(&i->own) && i->far)
		return 0;
	if (!i || !load_acquire(&i->own) || !find(i, offset, &f))
		return -EFAULT;
	return f.prot & (write ? PROT_WRITE : PROT_READ) ? 0 : -EACCES;
}

/* MSG_ZEROCOPY: it has begun, and is done later (placement.h). SIZE, or -errno. */
static ssize_t place_later(struct conn *c, char *buf, size_t size, uint64_t offset, bool write)
{
	int error = check(c, offset, write);

	if (error == 0)
		error = placement_start(c, buf, size, offset, write);
	return error < 0 ? error : (ssize_t)size;
}

static size_t place(int fd, char *buf, size_t size, off_t offset, int flags, bool write)
{
	struct conn *c;
	uint32_t generation;
	size_t done = 0;
	ssize_t n;
	bool nonblock;

	if (fdtab_kind(fd) == FD_DGRAM)
		return (size_t)-EOPNOTSUPP;
	c = fdtab_kind(fd) == FD_CONN ? conn_get(fd) : NULL;
	if (!c)
		return (size_t)-EBADF;
	generation = c->generation;
	n = offset < 0 || size > (size_t)INT64_MAX - (size_t)offset ? -EINVAL : 0;
	nonblock = load_relaxed(&c->shared->nonblock) || (flags & MSG_DONTWAIT);
	if (n == 0)
		n = placement_ready(c, fd, nonblock);
	if (n == 0 && size && (flags & MSG_ZEROCOPY)) {
		n = place_later(c, buf, size, (uint64_t)offset, write);
		conn_put(c);
		return (size_t)n;
	}
	/* Not before those that were asked for before. */
	if (n == 0 && placement_pending(c))
		n = placement_finish(c, fd, iomap_patience(c, write, nonblock));
	while (n >= 0 && done < size) {
		struct place_question q = {buf + done, size - done, (uint64_t)offset + done, write,
					   .limit_ns = iomap_patience(c, write, nonblock)};

		n = piece_try(c, &q);
		if (n > 0) {
			done += (size_t)n;
			if (iomap_direct(c))
				count_add(write ? &c->stats->shm_send_bytes : &c->stats->shm_recv_bytes, (uint64_t)n);
			count_add(write ? &c->stats->send_bytes : &c->stats->recv_bytes, (uint64_t)n);
		}
		/* Signals come in between the pieces, and so may a close. */
		conn_put(c);
		critical_enter();
		fetch_add(&c->users, 1);
		if (n > 0 && done < size && (load_acquire(&c->generation) != generation || fdtab_conn(fd) != c))
			n = -EBADF;
	}
	conn_put(c);
	return done ? done : (size_t)n;
}

size_t rsocket_iowrite(int fd, const void *buf, size_t size, off_t offset, int flags)
{
	return place(fd, (char *)(uintptr_t)buf, size, offset, flags, true);
}

size_t rsocket_ioread(int fd, void *buf, size_t size, off_t offset, int flags)
{
	return place(fd, buf, size, offset, flags, false);
}
