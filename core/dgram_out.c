/* Sending datagrams: into the ring of the destination's pair, or by the kernel. */
#include "cancel.h"
#include "config.h"
#include "dgram_object.h"
#include "kernel.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/single_threaded.h>

#define GAP_MAX 1024 /* calls between two attempts to find an rsocket at a destination */
#define PATIENCE 64  /* calls after which an offer that nobody took is given up, or who took it is looked for again */
#define PATIENCE_MAX 4096

static bool same_name(const struct dgram_dest *dest, const struct msghdr *msg)
{
	const struct sockaddr_in *in = (const void *)&dest->name;
	socklen_t size = msg->msg_name ? msg->msg_namelen : 0;

	if (!dest->used || dest->size != size)
		return false;
	/* Behind an IPv4 address is padding. */
	return size == 0 || memcmp(&dest->name, msg->msg_name,
				   in->sin_family == AF_INET ? offsetof(struct sockaddr_in, sin_zero) : size) == 0;
}

static struct dgram_dest *dest_of(struct dgram *d, const struct msghdr *msg)
{
	const struct sockaddr *name = msg->msg_name;
	struct dgram_dest *dest = &d->dest[d->last];
	uint32_t i;

	if (__builtin_expect(same_name(dest, msg), 1))
		return dest;
	if (name && msg->msg_namelen &&
	    !(msg->msg_namelen == sizeof(struct sockaddr_in) && name->sa_family == AF_INET) &&
	    !(msg->msg_namelen == sizeof(struct sockaddr_in6) && name->sa_family == AF_INET6))
		return NULL;
	for (i = 0; i < DGRAM_DESTS && !same_name(&d->dest[i], msg); i++)
		;
	if (i == DGRAM_DESTS) {
		for (i = 0; i < DGRAM_DESTS && d->dest[i].used; i++)
			;
		if (i == DGRAM_DESTS) {
			i = d->victim++ % DGRAM_DESTS;
			dgram_flush(d, &d->dest[i]);
			dgram_out_drop(d, &d->dest[i]);
		}
		d->dest[i] = (struct dgram_dest){.used = true};
		if (name && msg->msg_namelen) {
			d->dest[i].size = msg->msg_namelen;
			memcpy(&d->dest[i].name, name, msg->msg_namelen);
		}
		/* A program that made an rsocket asked for a fast path; but a first datagram may be the only one. */
		d->dest[i].gap = 1;
		d->dest[i].next_call =
			settings()->rsocket_after_calls > 2 ? (uint32_t)settings()->rsocket_after_calls : 2;
	}
	d->last = i;
	return &d->dest[i];
}

void dgram_out_drop(struct dgram *d, struct dgram_dest *dest)
{
	struct dgram_pair *p = dest->pair;

	if (!p)
		return;
	store_release(&p->map->ended, 1);
	pair_unmap(p);
	free(p);
	dest->pair = NULL;
	store_relaxed(&d->out_pairs, d->out_pairs - 1);
}

/* The datagram that a ring had, in the kernel's hands. */
static ssize_t give(struct dgram *d, struct dgram_dest *dest, struct iovec piece[2])
{
	struct msghdr msg = {.msg_name = dest->size ? &dest->name : NULL,
			     .msg_namelen = dest->size,
			     .msg_iov = piece,
			     .msg_iovlen = 2};
	ssize_t n = 0;

	for (int i = 0; i < 4; i++) {
		struct pollfd room = {.fd = load_relaxed(&d->fd), .events = POLLOUT};
		struct timespec moment = {.tv_nsec = 10000000};

		n = kernel_sendmsg(room.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		/* An older datagram's: this one was not sent, and says the same again if it is still so. */
		if (n == -ECONNREFUSED)
			continue;
		if (n != -EAGAIN)
			break;
		sys_call5(SYS_ppoll, &room, 1, &moment, NULL, 8);
	}
	return n;
}

ssize_t dgram_flush(struct dgram *d, struct dgram_dest *dest)
{
	struct dgram_pair *p = dest->pair;
	struct iovec piece[2];
	ssize_t n = 0;
	uint64_t at;

	if (!p || !pair_take_back(p, &at))
		return 0;
	while (pair_next(p, &at, piece)) {
		p->kernel++;
		count_add(&d->shm_send_bytes, -(uint64_t)(piece[0].iov_len + piece[1].iov_len));
		n = give(d, dest, piece);
	}
	return n;
}

void dgram_flush_all(struct dgram *d, bool all)
{
	for (int i = 0; d->out_pairs && i < DGRAM_DESTS; i++) {
		struct dgram_pair *p = d->dest[i].pair;

		if (p && pair_unread(p) && (all || pair_stalled(p)))
			dgram_flush(d, &d->dest[i]);
	}
}

static uint16_t port_of(const struct dgram_dest *dest)
{
	return dest->name.sin6_port; /* where sockaddr_in has it too */
}

/* The kernel is about to get a datagram for DEST. Who has that port may be reached by another of its names as well. */
static void kernel_turn(struct dgram *d, const struct dgram_dest *dest)
{
	for (int i = 0; d->out_pairs && i < DGRAM_DESTS; i++) {
		struct dgram_dest *other = &d->dest[i];

		if (other->pair && (!dest || other == dest || other->size == 0 || dest->size == 0 ||
				    port_of(other) == port_of(dest))) {
			dgram_flush(d, other);
			other->pair->kernel++;
		}
	}
}

/* The kernel has it. Another thread's records may have come in between, and by them the receiver may have settled that its queue is
 * empty: those that follow must not go by that. */
static void kernel_took(int fd)
{
	struct dgram *d = dgram_get(fd, DGRAM_OUT);

	if (!d)
		return;
	for (int i = 0; d->out_pairs && i < DGRAM_DESTS; i++)
		if (d->dest[i].pair)
			d->dest[i].pair->kernel++;
	dgram_put(d, DGRAM_OUT);
}

/* Looks for a ring to DEST when it is time. */
static void seek(struct dgram *d, struct dgram_dest *dest)
{
	dest->calls++;
	if (dest->pair) {
		if (++dest->waited < dest->patience)
			return;
		dest->waited = 0;
		/* It sleeps between our datagrams; or it is gone, and the port may be another's by now. */
		if (load_acquire(&dest->pair->map->attached) && dgram_still_there(d, dest)) {
			dest->patience = dest->patience < PATIENCE_MAX ? dest->patience * 2 : PATIENCE_MAX;
			return;
		}
		dgram_flush(d, dest);
		dgram_out_drop(d, dest);
		dest->next_call = dest->calls;
	}
	if (dest->never || dest->calls < dest->next_call)
		return;
	dgram_offer(d, dest);
	dest->waited = 0;
	dest->patience = PATIENCE;
	if (dest->gap < GAP_MAX)
		dest->gap *= 2;
	dest->next_call = dest->calls + dest->gap;
}

/* 1: the ring has it, or has no room, and no more would the kernel have had. 0: it is the kernel's. -errno. */
static ssize_t by_ring(struct dgram *d, struct dgram_dest *dest, struct iov_walk *walk)
{
	struct dgram_pair *p = dest->pair;
	uint32_t size = (uint32_t)walk->left;
	ssize_t n;

	if (!load_acquire(&p->map->attached))
		return 0;
	if (load_acquire(&p->map->closed)) {
		dgram_flush(d, dest);
		dgram_out_drop(d, dest);
		dest->gap = 1;
		dest->next_call = dest->calls + 1;
		return 0;
	}
	if (!pair_open(p) || pair_stalled(p))
		return 0;
	n = pair_push(p, walk, size);
	if (n < 0)
		return n == -EAGAIN && pair_full(p, size);
	count_add(&d->shm_send_bytes, size);
	if (load_relaxed(&p->map->awake) && !load_relaxed(&p->map->closed)) {
		dest->waited = 0;
		return 1;
	}
	n = dgram_flush(d, dest);
	return n < 0 ? n : 1;
}

ssize_t dgram_send(int fd, const struct msghdr *msg, int flags)
{
	struct dgram *d;
	struct dgram_dest *dest;
	struct iov_walk walk;
	ssize_t n = 0;
	bool paired = false;
	int type;

	/* Whatever is sent next belongs to the same datagram, which the kernel puts together. */
	if (__builtin_expect(flags & MSG_MORE, 0))
		dgram_pin(fd);
	d = dgram_get(fd, DGRAM_OUT);
	if (d && !d->pinned) {
		bool ours = !msg->msg_controllen && !(flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL)) &&
			    msg->msg_iovlen <= IOV_MAX &&
			    iov_walk_init(&walk, msg->msg_iov, (int)msg->msg_iovlen) == 0 &&
			    walk.left <= WIRE_DGRAM_MAX;
		size_t size = ours ? walk.left : 0;

		dest = dest_of(d, msg);
		if (ours && dest && dest->pair && (n = by_ring(d, dest, &walk)) != 0) {
			if (n > 0)
				count_add(&d->send_bytes, size);
			dgram_put(d, DGRAM_OUT);
			return n > 0 ? (ssize_t)size : n;
		}
		if (dest)
			seek(d, dest);
		kernel_turn(d, dest);
		paired = d->out_pairs;
	}
	if (d)
		dgram_put(d, DGRAM_OUT);
	type = cancel_enter();
	n = kernel_sendmsg(fd, msg, flags);
	cancel_leave(type);
	if (paired && !__libc_single_threaded)
		kernel_took(fd);
	if (d && n > 0)
		count_add(&d->send_bytes, (uint64_t)n);
	return n;
}
