/* Datagram rsockets: the object, its life, and when it is the kernel's alone. */
#include "config.h"
#include "dgram_object.h"
#include "kernel.h"
#include "process.h"
#include "rsocket.h"

#include <errno.h>
#include <rdma/rsocket.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/single_threaded.h>

#define CHUNK 8
#define SNDBUF_MIN \
	65536 /* a send buffer that any datagram fits into: smaller ones make ENOBUFS, which the kernel knows best */

static bool enabled;
static struct dgram *free_dgrams; /* under fdtab_lock */

void dgram_start(void)
{
	enabled = true;
}

static struct lock *lock_of(struct dgram *d, size_t lock)
{
	return (struct lock *)((char *)d + lock);
}

static struct dgram *dgram_of(int fd)
{
	uintptr_t word = fdtab_word(fd);

	return (word & 3) == FD_DGRAM ? (struct dgram *)(word & ~(uintptr_t)3) : NULL;
}

struct dgram *dgram_get(int fd, size_t lock)
{
	for (;;) {
		struct dgram *d = dgram_of(fd);

		if (!d)
			return NULL;
		if (__builtin_expect(process_forked_unseen(), 0)) {
			critical_enter();
			process_notice_fork();
			critical_exit();
		}
		critical_enter();
		lock_take(lock_of(d, lock));
		if (__builtin_expect(dgram_of(fd) == d, 1))
			return d;
		dgram_put(d, lock);
	}
}

void dgram_put(struct dgram *d, size_t lock)
{
	lock_drop(lock_of(d, lock));
	critical_exit();
}

static struct dgram *dgram_alloc(void)
{
	struct dgram *d = free_dgrams;

	if (!d) {
		d = mmap(NULL, CHUNK * sizeof *d, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (d == MAP_FAILED)
			return NULL;
		for (int i = CHUNK; i--;) {
			d[i].next_free = free_dgrams;
			free_dgrams = &d[i];
		}
		d = free_dgrams;
	}
	free_dgrams = d->next_free;
	return d;
}

int dgram_new(int fd, int domain, bool nonblock)
{
	struct dgram *d;

	/* A stale entry: the number was closed where we could not see it. */
	if (dgram_of(fd))
		dgram_close(fd);
	critical_enter();
	lock_take(&fdtab_lock);
	d = dgram_alloc();
	if (d) {
		d->descriptors = 1;
		d->fd = fd;
		d->nonblock = nonblock;
		d->v6 = domain == AF_INET6;
		d->pinned = !enabled || fd <= 2 || settings()->transport == TRANSPORT_SETTING_TCP;
		d->reason = !enabled || fd <= 2 ? REASON_STDIO : d->pinned ? REASON_SETTING : REASON_NEW;
		d->listener = -1;
		rsocket_options_default(&d->options);
		d->generation++;
		fdtab_set(fd, FD_DGRAM, d);
	}
	lock_drop(&fdtab_lock);
	critical_exit();
	return d ? 0 : -ENOMEM;
}

void dgram_copied(struct dgram *d)
{
	d->descriptors++;
}

/* Under both locks. What its peers sent and nobody read ends with the socket, as in the kernel's queue; unless another process has
 * that too, then its senders find it here and give it to the kernel. */
static void close_in(struct dgram *d, struct dgram_pair *p)
{
	uint64_t unread;

	dgram_in_close(d, p);
	p->tail = load_acquire(&p->map->tail);
	/* Not the sender's to take back: the port may have somebody else soon. */
	if (!d->shared)
		pair_take_back(p, &unread);
}

static void dgram_end(struct dgram *d)
{
	for (int i = 0; i < DGRAM_DESTS; i++)
		dgram_out_drop(d, &d->dest[i]);
	while (d->in_count) {
		close_in(d, d->in[0]);
		dgram_in_drop(d, 0);
	}
	dgram_deafen(d);
	if (d->stash)
		kernel_unmap(d->stash, sizeof *d->stash);
	rsocket_options_fini(&d->options);
}

static void dgram_recycle(struct dgram *d)
{
	const size_t kept = offsetof(struct dgram, descriptors);

	lock_take(&d->out_lock);
	lock_take(&d->in_lock);
	d->generation++;
	dgram_end(d);
	/* Not the locks: somebody may wait there, who will find that the descriptor is another's. */
	memset((char *)d + kept, 0, offsetof(struct dgram, out_lock) - kept);
	memset(d->dest, 0, offsetof(struct dgram, in_lock) - offsetof(struct dgram, dest));
	memset(d->in, 0, sizeof *d - offsetof(struct dgram, in));
	lock_drop(&d->in_lock);
	lock_drop(&d->out_lock);
	lock_take(&fdtab_lock);
	d->next_free = free_dgrams;
	free_dgrams = d;
	lock_drop(&fdtab_lock);
}

void dgram_close(int fd)
{
	bool last = false;
	struct dgram *d;

	critical_enter();
	lock_take(&fdtab_lock);
	d = dgram_of(fd);
	if (d) {
		fdtab_set(fd, FD_NONE, NULL);
		last = --d->descriptors == 0;
		for (int i = 0; !last && d->fd == fd && i <= fdtab_top(); i++)
			if (dgram_of(i) == d)
				store_relaxed(&d->fd, i);
	}
	lock_drop(&fdtab_lock);
	if (last)
		dgram_recycle(d);
	critical_exit();
}

/* --- the kernel's alone --- */

/* Under both locks. */
static void pin(struct dgram *d, enum reason reason)
{
	if (d->pinned)
		return;
	store_relaxed(&d->pinned, 1);
	d->reason = reason;
	dgram_flush_all(d, true);
	for (int i = 0; i < DGRAM_DESTS; i++)
		dgram_out_drop(d, &d->dest[i]);
	for (uint32_t i = 0; i < d->in_count; i++)
		dgram_in_close(d, d->in[i]);
	dgram_deafen(d);
}

static void change(int fd, void (*fn)(struct dgram *d))
{
	struct dgram *d = dgram_get(fd, DGRAM_OUT);

	if (!d)
		return;
	lock_take(&d->in_lock);
	fn(d);
	lock_drop(&d->in_lock);
	dgram_put(d, DGRAM_OUT);
}

static void pin_feature(struct dgram *d)
{
	pin(d, REASON_SOCKET_FEATURE);
}

void dgram_pin(int fd)
{
	change(fd, pin_feature);
}

/* Who it sends to and hears changes; what came before is still read. */
static void leave_all(struct dgram *d)
{
	dgram_flush_all(d, true);
	for (int i = 0; i < DGRAM_DESTS; i++) {
		dgram_out_drop(d, &d->dest[i]);
		d->dest[i].used = false;
	}
	for (uint32_t i = 0; i < d->in_count; i++) {
		dgram_in_close(d, d->in[i]);
		/* By the kernel it would not arrive any more. */
		pair_keep(d->in[i]);
	}
}

void dgram_connecting(int fd)
{
	change(fd, leave_all);
}

static bool harmless(int level, int name, int number)
{
	if (level == SOL_SOCKET)
		switch (name) {
		case SO_RCVTIMEO:
		case SO_SNDTIMEO:
		case SO_BROADCAST: /* those are not carried */
			return true;
		case SO_SNDBUF:
			return number >= SNDBUF_MIN;
		case SO_REUSEADDR: /* two could be bound to one port, and only the kernel chooses */
			return number == 0;
		default:
			return false;
		}
	if (level == IPPROTO_IP)
		return (name >= IP_MULTICAST_IF && name <= IP_DROP_MEMBERSHIP) || name == IP_MULTICAST_ALL;
	if (level == IPPROTO_IPV6)
		return (name >= IPV6_MULTICAST_IF && name <= IPV6_LEAVE_GROUP) || name == IPV6_V6ONLY;
	return false;
}

void dgram_option(int fd, int level, int name, const void *value, socklen_t size)
{
	int number = 0;

	if (size >= sizeof number)
		memcpy(&number, value, sizeof number);
	if (level == SOL_SOCKET && (name == SO_RCVBUF || name == SO_RCVBUFFORCE))
		change(fd, leave_all); /* rings of another size */
	else if (!harmless(level, name, number))
		dgram_pin(fd);
}

void dgram_nonblock(int fd, bool nonblock)
{
	struct dgram *d = dgram_get(fd, DGRAM_IN);

	if (d) {
		store_relaxed(&d->nonblock, nonblock);
		dgram_put(d, DGRAM_IN);
	}
}

struct rsocket_options *dgram_options(int fd, struct dgram **held)
{
	*held = dgram_get(fd, DGRAM_OUT);
	return *held ? &(*held)->options : NULL;
}

void dgram_options_end(struct dgram *held)
{
	dgram_put(held, DGRAM_OUT);
}

int dgram_carrier(int fd, void *value, socklen_t *size)
{
	struct rdma_carrier answer = {0};
	struct dgram *d;

	if (*size < sizeof answer)
		return -EINVAL;
	d = dgram_get(fd, DGRAM_IN);
	if (!d)
		return -EBADF;
	answer.send = load_relaxed(&d->out_pairs) ? RDMA_TRANSPORT_SHM : RDMA_TRANSPORT_TCP;
	answer.recv = d->in_count > d->unheard && !d->pinned ? RDMA_TRANSPORT_SHM : RDMA_TRANSPORT_TCP;
	answer.reason = answer.send || answer.recv ? REASON_PROMOTED : d->reason;
	answer.send_bytes = load_relaxed(&d->send_bytes);
	answer.recv_bytes = load_relaxed(&d->recv_bytes);
	answer.shm_send_bytes = load_relaxed(&d->shm_send_bytes);
	answer.shm_recv_bytes = load_relaxed(&d->shm_recv_bytes);
	strncpy(answer.reason_code, reason_table[answer.reason].code, sizeof answer.reason_code - 1);
	dgram_put(d, DGRAM_IN);
	memcpy(value, &answer, sizeof answer);
	*size = sizeof answer;
	return 0;
}

bool dgram_plain(int fd)
{
	const struct dgram *d = dgram_of(fd);

	return !d || (load_relaxed(&d->pinned) && !load_relaxed(&d->in_count) && !load_relaxed(&d->stash));
}

bool dgram_special(int fd)
{
	const struct dgram *d = dgram_of(fd);

	if (!d)
		return false;
	/* One that another thread may pair while we sleep counts too. */
	return load_relaxed(&d->in_count) || load_relaxed(&d->out_pairs) || load_relaxed(&d->stash) ||
	       (!load_relaxed(&d->pinned) && !__libc_single_threaded);
}

/* --- the process --- */

static void each(void (*fn)(struct dgram *d))
{
	for (int fd = 0; fd <= fdtab_top(); fd++)
		if (dgram_of(fd))
			change(fd, fn);
}

/* Its locks are kept: what another thread had half done would stay so in the child. */
void dgram_fork_prepare(void)
{
	for (int fd = 0; enabled && fd <= fdtab_top(); fd++) {
		struct dgram *d = dgram_of(fd);

		if (!d || d->forking)
			continue;
		lock_take(&d->out_lock);
		lock_take(&d->in_lock);
		d->forking = true;
		pin(d, REASON_SHARED);
		d->shared = true;
	}
}

void dgram_fork_parent(void)
{
	for (int fd = 0; enabled && fd <= fdtab_top(); fd++) {
		struct dgram *d = dgram_of(fd);

		if (!d || !d->forking)
			continue;
		d->forking = false;
		lock_drop(&d->in_lock);
		lock_drop(&d->out_lock);
	}
}

/* Both processes share the memory, and neither knows what the other is about to do. */
static void close_unseen(struct dgram *d)
{
	for (int i = 0; i < DGRAM_DESTS; i++)
		if (d->dest[i].pair) {
			store_release(&d->dest[i].pair->map->closed, 1);
			pair_unmap(d->dest[i].pair);
			d->dest[i].pair = NULL;
		}
	for (uint32_t i = 0; i < d->in_count; i++)
		dgram_in_close(d, d->in[i]);
	d->out_pairs = 0;
	d->pinned = 1;
	d->shared = true;
	d->reason = REASON_SHARED;
}

void dgram_forked(bool unseen)
{
	for (int fd = 0; fd <= fdtab_top(); fd++) {
		struct dgram *d = dgram_of(fd);

		if (!d)
			continue;
		/* The threads that held them are not here. */
		d->out_lock.word = d->in_lock.word = 0;
		d->forking = false;
		d->sleepers = 0;
		for (uint32_t i = 0; i < d->in_count; i++)
			d->in[i]->kept_end = d->in[i]->kept; /* the parent's to read */
		if (unseen)
			close_unseen(d);
		if (d->listener >= 0)
			own_fd_close(d->listener);
		d->listener = -2;
	}
}

/* Nothing is freed: other threads may be at it. */
static void end_at_exit(struct dgram *d)
{
	for (int i = 0; i < DGRAM_DESTS; i++)
		if (d->dest[i].pair)
			store_release(&d->dest[i].pair->map->ended, 1);
	for (uint32_t i = 0; i < d->in_count; i++)
		close_in(d, d->in[i]);
}

void dgram_exit(void)
{
	if (enabled)
		each(end_at_exit);
}
