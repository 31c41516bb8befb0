/* Receiving datagrams: from the rings while awake, from the kernel otherwise; in the order in which each sender sent them. */
#include "cancel.h"
#include "config.h"
#include "dgram_object.h"
#include "kernel.h"
#include "poll.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LOOK_KERNEL_US 20 /* while rings have something the kernel's queue, where others wait, is read this often */
#define SPIN_BURST 20
#define LOST_MAX 1000 /* records that were taken back under our eyes, in one call */
#define LONG_SPIN 16  /* so many times polling_time, at most once in so many sleeps */

/* --- pairs --- */

void dgram_awake(struct dgram *d)
{
	if (d->sleepers || d->pinned)
		return;
	for (uint32_t i = 0; i < d->in_count; i++) {
		struct dgram_pair *p = d->in[i];
		struct dgram_record record;

		if (!p->heard || load_relaxed(&p->map->closed))
			continue;
		if (!load_relaxed(&p->map->awake)) {
			/* What was taken back meanwhile is free. */
			pair_look(p, &record);
			store_relaxed(&p->map->beat, load_relaxed(&p->map->beat) + 1);
			store_release(&p->map->awake, 1);
		}
	}
}

/* The full barrier is the caller's. */
static void asleep(struct dgram *d)
{
	for (uint32_t i = 0; i < d->in_count; i++)
		if (load_relaxed(&d->in[i]->map->awake))
			store_relaxed(&d->in[i]->map->awake, 0);
}

void dgram_in_close(struct dgram *d, struct dgram_pair *p)
{
	store_release(&p->map->closed, 1);
	store_relaxed(&p->map->awake, 0);
	full_barrier();
	if (!p->heard) {
		p->heard = true;
		d->unheard--;
	}
}

void dgram_in_drop(struct dgram *d, uint32_t i)
{
	struct dgram_pair *p = d->in[i];

	if (!p->heard)
		d->unheard--;
	pair_unmap(p);
	free(p);
	d->in[i] = d->in[d->in_count - 1];
	store_relaxed(&d->in_count, d->in_count - 1);
}

/* --- the kernel's queue --- */

static ssize_t kernel_receives(int fd, struct msghdr *msg, int flags)
{
	int type = cancel_enter();
	ssize_t n = kernel_recvmsg(fd, msg, flags);

	cancel_leave(type);
	return n;
}

/* Senders that gave their rings up learn that somebody reads. */
static void beat(struct dgram *d)
{
	struct dgram_record record;

	for (uint32_t i = 0; i < d->in_count; i++) {
		struct dgram_pair *p = d->in[i];

		if (!p->heard || load_relaxed(&p->map->closed))
			continue;
		pair_look(p, &record); /* what was taken back is free */
		store_relaxed(&p->map->beat, load_relaxed(&p->map->beat) + 1);
	}
}

/* A datagram came by the kernel. */
static void came(struct dgram *d, const struct msghdr *msg, socklen_t room, ssize_t n, int flags)
{
	count_add(&d->recv_bytes, (uint64_t)n);
	d->kernel_first = flags & MSG_PEEK;
	beat(d);
	dgram_arrived(d, msg->msg_name && msg->msg_namelen <= room ? msg->msg_name : NULL);
}

/* The source is wanted by us, if not by the program. */
static bool want_name(const struct dgram *d, struct msghdr *msg, struct sockaddr_storage *name)
{
	if (!load_relaxed(&d->unheard) || msg->msg_name)
		return false;
	msg->msg_name = name;
	msg->msg_namelen = sizeof *name;
	return true;
}

static void forget_name(struct msghdr *msg)
{
	msg->msg_name = NULL;
	msg->msg_namelen = 0;
}

/* Under the lock, so without waiting. */
static ssize_t kernel_look(struct dgram *d, int fd, struct msghdr *msg, int flags)
{
	struct sockaddr_storage name;
	bool named = want_name(d, msg, &name);
	socklen_t room = msg->msg_namelen;
	ssize_t n = kernel_recvmsg(fd, msg, flags | MSG_DONTWAIT);

	d->kernel_first = false;
	if (n >= 0)
		came(d, msg, room, n, flags);
	else
		d->kernel_at = clock_ticks();
	if (named)
		forget_name(msg);
	return n;
}

/* --- records --- */

/* The record that is claimed goes to the program. */
static ssize_t answer(struct dgram *d, struct msghdr *msg, int flags, const struct diag_end *source, uint32_t length,
		      size_t room)
{
	struct sockaddr_storage name;
	socklen_t size;

	msg->msg_flags = (flags & MSG_CMSG_CLOEXEC) | (length > room ? MSG_TRUNC : 0);
	msg->msg_controllen = 0;
	if (msg->msg_name) {
		size = dgram_name(d, source, &name);
		memcpy(msg->msg_name, &name, size < msg->msg_namelen ? size : msg->msg_namelen);
		msg->msg_namelen = size;
	}
	if (!(flags & MSG_PEEK)) {
		count_add(&d->recv_bytes, length);
		count_add(&d->shm_recv_bytes, length);
	}
	return length > room && !(flags & MSG_TRUNC) ? (ssize_t)room : (ssize_t)length;
}

/* What is in the stash; -EAGAIN: a sibling was faster. */
static ssize_t from_stash(struct dgram *d, struct msghdr *msg, int flags, struct iov_walk walk)
{
	struct dgram_stash *s = d->stash;
	const struct diag_end source = s->source;
	const uint32_t length = s->length;
	uint32_t full = STASH_FULL;
	size_t room = walk.left;

	iov_copy_out(&walk, s->bytes, length < room ? length : room);
	if (!(flags & MSG_PEEK) && !compare_swap(&s->state, &full, STASH_EMPTY))
		return -EAGAIN;
	return answer(d, msg, flags, &source, length, room);
}

/* 1: the record is there, or another is; 0: its sender took it back; -ENOMEM. */
static int to_stash(struct dgram *d, struct dgram_pair *p, const struct dgram_record *record)
{
	uint32_t empty = STASH_EMPTY;
	struct iovec iov = {.iov_len = WIRE_DGRAM_MAX};
	struct iov_walk walk;

	if (!d->stash) {
		void *map = mmap(NULL, sizeof *d->stash, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		if (map == MAP_FAILED)
			return -ENOMEM;
		store_release(&d->stash, map);
	}
	if (!compare_swap(&d->stash->state, &empty, STASH_FILLING))
		return empty == STASH_FULL ? 1 : -ENOMEM;
	if (!pair_claim(p, record)) {
		store_release(&d->stash->state, STASH_EMPTY);
		return 0;
	}
	iov.iov_base = d->stash->bytes;
	iov_walk_init(&walk, &iov, 1);
	pair_copy(p, record, &walk);
	d->stash->length = record->length;
	d->stash->source = p->source;
	store_release(&d->stash->state, STASH_FULL);
	return 1;
}

/* The next pair with a record, its turn taken; NULL: none. Pairs that are over go. */
static struct dgram_pair *next_record(struct dgram *d, struct dgram_record *record)
{
	for (uint32_t looks = d->in_count; looks && d->in_count; looks--) {
		uint32_t i = d->in_next % d->in_count;
		struct dgram_pair *p = d->in[i];
		bool ended = load_acquire(&p->map->ended) || load_relaxed(&p->map->closed);
		int found = p->heard ? pair_look(p, record) : 0;

		if (found > 0)
			return p;
		if (found < 0)
			dgram_in_close(d, p);
		if (found < 0 || (ended && p->heard))
			dgram_in_drop(d, i);
		else
			d->in_next = i + 1;
	}
	return NULL;
}

/* A record of P was taken back under our eyes. Who does only that is not waited for; the others are all looked at. */
static void shun(struct dgram *d, struct dgram_pair *p, unsigned *lost)
{
	if (++*lost <= LOST_MAX)
		return;
	*lost = 0;
	dgram_in_close(d, p);
	for (uint32_t i = 0; i < d->in_count; i++)
		if (d->in[i] == p) {
			dgram_in_drop(d, i);
			return;
		}
}

/* A datagram that is there; -EAGAIN: the rings have none. Also an error of the socket. */
static ssize_t take(struct dgram *d, int fd, struct msghdr *msg, int flags, const struct iov_walk *walk)
{
	struct dgram_record record;
	struct dgram_pair *p;
	unsigned lost = 0;
	ssize_t n;

	if (stash_full(d->stash) && (n = from_stash(d, msg, flags, *walk)) != -EAGAIN)
		return n;
	if (!d->in_count)
		return -EAGAIN;
	if ((d->kernel_first || clock_ticks() - d->kernel_at > LOOK_KERNEL_US * clock_ticks_us) &&
	    (n = kernel_look(d, fd, msg, flags)) != -EAGAIN)
		return n;
	while ((p = next_record(d, &record))) {
		struct iov_walk to = *walk;

		if (record.kernel != p->settled) {
			n = kernel_look(d, fd, msg, flags);
			if (n != -EAGAIN)
				return n;
			p->settled = record.kernel;
		}
		if (flags & MSG_PEEK) {
			int found = to_stash(d, p, &record);

			if (found < 0)
				return -ENOBUFS;
			if (found && (n = from_stash(d, msg, flags, to)) != -EAGAIN)
				return n;
		} else if (pair_claim(p, &record)) {
			pair_copy(p, &record, &to);
			d->in_next++;
			return answer(d, msg, flags, &p->source, record.length, walk->left);
		}
		shun(d, p, &lost);
	}
	return -EAGAIN;
}

static bool news(const struct dgram *d)
{
	if (stash_full(d->stash))
		return true;
	for (uint32_t i = 0; i < d->in_count; i++)
		if (d->in[i]->heard && pair_news(d->in[i]))
			return true;
	return false;
}

/* --- sleeping --- */

/* Under the lock. Look once more, then sleep. */
static void nap_begin(struct dgram *d, struct dgram_nap *nap)
{
	d->sleepers++;
	asleep(d);
	full_barrier();
	*nap = (struct dgram_nap){d, d->generation};
}

/* Takes the lock, and keeps it if the socket is still there: true. */
static bool nap_over(struct dgram_nap *nap)
{
	struct dgram *d = nap->d;

	critical_enter();
	lock_take(&d->in_lock);
	if (d->generation != nap->generation) {
		dgram_put(d, DGRAM_IN);
		return false;
	}
	d->sleepers--;
	return true;
}

/* Two ends that both sleep for each other's answer never meet awake, since a wake-up takes longer than any spin: now and then, if
 * the last sleep was short, one of them spins for as long as that, and from then on none sleeps. */
static uint64_t spin_ticks(struct dgram *d)
{
	uint64_t ticks = (uint64_t)settings()->polling_time * clock_ticks_us, nap = 2 * load_relaxed(&d->nap_ticks);
	uint32_t naps = load_relaxed(&d->naps);

	if (naps - load_relaxed(&d->long_at) < LONG_SPIN || nap <= ticks || nap > LONG_SPIN * ticks)
		return ticks;
	store_relaxed(&d->long_at, naps);
	return nap;
}

static void spin(int fd, struct dgram *self)
{
	uint64_t end = clock_ticks() + spin_ticks(self);
	bool paid = false;

	do {
		struct dgram *d = dgram_get(fd, DGRAM_IN);

		if (d != self) {
			if (d)
				dgram_put(d, DGRAM_IN);
			return;
		}
		paid = news(d);
		dgram_put(d, DGRAM_IN);
		for (int i = 0; i < SPIN_BURST && !paid; i++)
			cpu_relax();
	} while (!paid && clock_ticks() < end);
	spin_result(paid);
}

/* What was sent from here and not read, before the sender sleeps (ALL) or looks in vain. */
static void flush_out(int fd, bool all)
{
	const struct dgram *seen = (const struct dgram *)(fdtab_word(fd) & ~(uintptr_t)3);
	struct dgram *d = seen && load_relaxed(&seen->out_pairs) ? dgram_get(fd, DGRAM_OUT) : NULL;

	if (d) {
		dgram_flush_all(d, all);
		dgram_put(d, DGRAM_OUT);
	}
}

static ssize_t sleep_for_one(int fd, struct msghdr *msg, int flags, struct dgram_nap *nap)
{
	struct sockaddr_storage name;
	bool named = want_name(nap->d, msg, &name);
	socklen_t room = msg->msg_namelen;
	uint64_t start = clock_ticks();
	ssize_t n = kernel_receives(fd, msg, flags);

	if (nap_over(nap)) {
		if (n >= 0)
			came(nap->d, msg, room, n, flags);
		nap->d->kernel_at = clock_ticks();
		store_relaxed(&nap->d->nap_ticks, nap->d->kernel_at - start);
		count_add(&nap->d->naps, 1);
		dgram_awake(nap->d);
		dgram_put(nap->d, DGRAM_IN);
	}
	if (named)
		forget_name(msg);
	return n;
}

ssize_t dgram_recv(int fd, struct msghdr *msg, int flags)
{
	struct dgram *d = dgram_plain(fd) || (flags & (MSG_ERRQUEUE | MSG_OOB)) ? NULL : dgram_get(fd, DGRAM_IN);
	struct dgram_nap nap;
	struct iov_walk walk;
	bool nonblock;
	ssize_t n;

	if (!d)
		return kernel_receives(fd, msg, flags);
	if (msg->msg_iovlen > IOV_MAX || iov_walk_init(&walk, msg->msg_iov, (int)msg->msg_iovlen) < 0) {
		dgram_put(d, DGRAM_IN);
		return kernel_receives(fd, msg, flags);
	}
	nonblock = (flags & MSG_DONTWAIT) || d->nonblock;
	n = take(d, fd, msg, flags, &walk);
	if (n == -EAGAIN && nonblock) {
		n = kernel_look(d, fd, msg, flags);
		dgram_put(d, DGRAM_IN);
		if (n == -EAGAIN)
			flush_out(fd, false);
		return n;
	}
	if (n == -EAGAIN && d->in_count > d->unheard && !d->sleepers && spin_worth(settings()->polling_time)) {
		dgram_put(d, DGRAM_IN);
		spin(fd, d);
		d = dgram_get(fd, DGRAM_IN);
		if (!d)
			return -EBADF;
		n = take(d, fd, msg, flags, &walk);
	}
	if (n != -EAGAIN) {
		dgram_put(d, DGRAM_IN);
		return n;
	}
	nap_begin(d, &nap);
	n = take(d, fd, msg, flags, &walk);
	if (n != -EAGAIN) {
		d->sleepers--;
		dgram_awake(d);
		dgram_put(d, DGRAM_IN);
		return n;
	}
	dgram_put(d, DGRAM_IN);
	flush_out(fd, true);
	return sleep_for_one(fd, msg, flags, &nap);
}

/* --- waiting for several --- */

/* Makes sure of a record, so that who is told of it finds it. What the kernel has it reports itself. */
static bool promise(struct dgram *d, int fd)
{
	struct dgram_record record;
	struct dgram_pair *p;
	unsigned lost = 0;

	/* What was peeked at comes first. */
	if (d->kernel_first && !stash_full(d->stash) && (kernel_poll_now(fd, POLLIN) & POLLIN))
		return false;
	while (!stash_full(d->stash) && (p = next_record(d, &record))) {
		int found;

		if (record.kernel != p->settled) {
			if (kernel_poll_now(fd, POLLIN) & POLLIN)
				return false;
			p->settled = record.kernel;
		}
		found = to_stash(d, p, &record);
		if (found < 0)
			return true;
		if (found == 0)
			shun(d, p, &lost);
	}
	return stash_full(d->stash);
}

short dgram_revents(int fd, short events)
{
	const short in = events & (POLLIN | POLLRDNORM);
	struct dgram *d = in ? dgram_get(fd, DGRAM_IN) : NULL;
	bool there;

	if (!d)
		return 0;
	there = promise(d, fd);
	dgram_put(d, DGRAM_IN);
	if (!there)
		flush_out(fd, false);
	return there ? in : 0;
}

bool dgram_news(int fd)
{
	struct dgram *d = dgram_get(fd, DGRAM_IN);
	bool there = d && news(d);

	if (d)
		dgram_put(d, DGRAM_IN);
	return there;
}

void dgram_nap(int fd, struct dgram_nap *nap)
{
	struct dgram *d = dgram_get(fd, DGRAM_IN);

	*nap = (struct dgram_nap){0};
	if (!d)
		return;
	nap_begin(d, nap);
	dgram_put(d, DGRAM_IN);
	flush_out(fd, true);
}

void dgram_nap_end(struct dgram_nap *nap)
{
	if (nap->d && nap_over(nap)) {
		dgram_awake(nap->d);
		dgram_put(nap->d, DGRAM_IN);
	}
	nap->d = NULL;
}
