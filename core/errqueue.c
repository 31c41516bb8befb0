/* The error queue of a connection. DESIGN NOTES. The bytes of a zero-copy send are in the ring when the call returns, so its completion is
 * queued at once; it says "copied", as the kernel does over loopback. Notices stand in the order of their numbers and neighbours are one
 * range, so a queue that nobody reads stays one notice long. What the kernel still has to tell of sends from before the promotion is
 * moved here as soon as its POLLERR shows: left there, that would look like the death of the peer. */
#include "errqueue.h"
#include "epoll.h"
#include "kernel.h"
#include "placement.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <rdma/rsocket.h>
#include <stdlib.h>
#include <string.h>
#include <sys/single_threaded.h>

#define FIRST_ROOM 8

struct errqueue *errqueue_get(struct conn *c)
{
	struct errqueue *q = load_acquire(&c->errors), *expect = NULL;

	if (q)
		return q;
	q = calloc(1, sizeof *q);
	if (q && !compare_swap(&c->errors, &expect, q)) {
		free(q);
		return expect;
	}
	/* What the kernel says of readiness is from now on not all: sets that watch C must ask us. */
	if (q && load_acquire(&c->attached))
		epoll_convert(c);
	return q;
}

void errqueue_fini(struct conn *c)
{
	struct errqueue *q = load_acquire(&c->errors);

	if (!q)
		return;
	store_release(&c->errors, NULL);
	placement_free(q->placements);
	free(q->notices);
	free(q);
}

void errqueue_forked(struct conn *c)
{
	struct errqueue *q = c->errors;

	/* DIFFERS: a socket's queue is one for all who hold it; here it is the sender's. Another thread may have been at work on
	 * the array: it is left behind. */
	if (q)
		*q = (struct errqueue){.placements = q->placements};
	placement_forked(c);
}

/* Makes room for MORE notices behind the last. Under the lock. */
static bool grow(struct errqueue *q, uint32_t more)
{
	uint32_t room = q->room ? q->room : FIRST_ROOM;
	struct notice *bigger;

	if (q->first + q->count + more <= q->room)
		return true;
	if (q->first) {
		memmove(q->notices, q->notices + q->first, q->count * sizeof *q->notices);
		q->first = 0;
	}
	while (q->count + more > room)
		room *= 2;
	if (room <= q->room)
		return true;
	bigger = realloc(q->notices, room * sizeof *bigger);
	if (!bigger)
		return false;
	q->notices = bigger;
	q->room = room;
	return true;
}

bool errqueue_reserve(struct conn *c)
{
	struct errqueue *q = errqueue_get(c);
	bool ok;

	if (!q)
		return false;
	lock_take(&q->lock);
	ok = grow(q, load_relaxed(&q->pending) + 1);
	lock_drop(&q->lock);
	return ok;
}

/* --- numbers --- */

bool errqueue_counts(struct conn *c)
{
	uint32_t known = load_relaxed(&c->shared->zerocopy);

	if (!(known & ZEROCOPY_KNOWN)) {
		int on = 0;
		socklen_t size = sizeof on;

		/* An accepted socket has its listener's. */
		if (kernel_getsockopt(conn_fd(c), SOL_SOCKET, SO_ZEROCOPY, &on, &size) < 0)
			return false;
		errqueue_option(c, on);
		known = load_relaxed(&c->shared->zerocopy);
	}
	return known & ZEROCOPY_ON;
}

void errqueue_option(struct conn *c, bool on)
{
	if (!on)
		fetch_and(&c->shared->zerocopy, ~(uint32_t)ZEROCOPY_ON);
	fetch_or(&c->shared->zerocopy, ZEROCOPY_KNOWN | (on ? ZEROCOPY_ON | ZEROCOPY_EVER : 0));
}

enum numbering errqueue_numbering(struct conn *c)
{
	/* Back on TCP nothing is left for the kernel to count: it has missed what went through the ring. */
	if (conn_send_stage(c) == STAGE_TCP && !(load_acquire(&c->shared->zerocopy) & ZEROCOPY_OURS))
		return NUMBERING_KERNEL;
	return NUMBERING_OURS;
}

uint32_t errqueue_number(struct conn *c)
{
	fetch_or(&c->shared->zerocopy, ZEROCOPY_OURS);
	return fetch_add(&c->shared->next_notice, 1);
}

void errqueue_sent(struct conn *c, enum numbering numbering)
{
	struct notice n = {.code = SO_EE_CODE_ZEROCOPY_COPIED};

	if (numbering == NUMBERING_KERNEL)
		fetch_add(&c->shared->next_notice, 1);
	if (numbering != NUMBERING_OURS)
		return;
	n.low = n.high = errqueue_number(c);
	errqueue_add(c, &n);
}

/* --- the queue --- */

static bool extends(const struct notice *a, const struct notice *b)
{
	return a->high + 1 == b->low && !a->error && !b->error && a->code == b->code;
}

/* In the order of numbers, which go round. Under the lock. False: no memory. */
static bool insert(struct errqueue *q, const struct notice *n)
{
	struct notice *first, *at;
	uint32_t count = q->count;

	if (!grow(q, 1))
		return false;
	first = q->notices + q->first;
	at = first + count;
	while (at > first && (int32_t)(at[-1].low - n->low) > 0)
		at--;
	if (at > first && extends(at - 1, n)) {
		at[-1].high = n->high;
		if (at < first + count && extends(at - 1, at)) {
			at[-1].high = at->high;
			memmove(at, at + 1, (size_t)(first + count - at - 1) * sizeof *at);
			count--;
		}
	} else if (at < first + count && extends(n, at)) {
		at->low = n->low;
	} else {
		memmove(at + 1, at, (size_t)(first + count - at) * sizeof *at);
		*at = *n;
		count++;
	}
	store_release(&q->count, count);
	return true;
}

/* Each completion is an edge, whether it is a new range or not: so it is in the kernel. */
static void tell(struct conn *c)
{
	epoll_mark(c, EPOLLERR);
	if (!__libc_single_threaded)
		thread_wake_pollers();
}

void errqueue_add(struct conn *c, const struct notice *notice)
{
	struct errqueue *q = errqueue_get(c);

	if (!q)
		return;
	lock_take(&q->lock);
	insert(q, notice);
	lock_drop(&q->lock);
	tell(c);
}

/* Takes the first notice. False: there is none. */
static bool take(struct conn *c, struct notice *n)
{
	struct errqueue *q = load_acquire(&c->errors);
	uint32_t left = 0;
	bool taken = false;

	if (!q || !load_acquire(&q->count))
		return false;
	lock_take(&q->lock);
	if (q->count) {
		*n = q->notices[q->first];
		left = q->count - 1;
		q->first = left ? q->first + 1 : 0;
		store_release(&q->count, left);
		taken = true;
	}
	lock_drop(&q->lock);
	/* As the kernel: what is left is told once more. */
	if (left)
		epoll_mark(c, EPOLLERR);
	return taken;
}

/* Moves what the kernel's queue has to ours. */
static void drain(struct conn *c)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(struct sock_extended_err) + sizeof(struct sockaddr_in6))];
	} control;
	struct sock_extended_err error;

	while (errqueue_reserve(c)) {
		struct msghdr msg = {.msg_control = &control, .msg_controllen = sizeof control};
		struct notice n = {0};

		if (kernel_recvmsg(conn_fd(c), &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return;
		if (msg.msg_controllen < CMSG_LEN(sizeof error))
			continue;
		memcpy(&error, CMSG_DATA(&control.head), sizeof error);
		if (error.ee_origin != SO_EE_ORIGIN_ZEROCOPY)
			continue;
		n.low = error.ee_info;
		n.high = error.ee_data;
		n.code = error.ee_code;
		errqueue_add(c, &n);
	}
}

int errqueue_sift(struct conn *c, int revents)
{
	if (revents <= 0 || !(revents & POLLERR) || !(load_relaxed(&c->shared->zerocopy) & ZEROCOPY_EVER) ||
	    !load_acquire(&c->attached))
		return revents;
	drain(c);
	return (revents & ~POLLERR) | (kernel_poll_now(conn_fd(c), 0) & (POLLERR | POLLHUP));
}

int errqueue_poll_now(struct conn *c, short events)
{
	return errqueue_sift(c, kernel_poll_now(conn_fd(c), events));
}

/* --- what the program reads --- */

/* put_cmsg of the kernel: what does not fit is cut, and said to be. */
static void put(struct msghdr *msg, size_t *used, int level, int type, const void *data, size_t size)
{
	size_t left = msg->msg_control && msg->msg_controllen > *used ? msg->msg_controllen - *used : 0;
	struct cmsghdr head = {.cmsg_len = CMSG_LEN(size), .cmsg_level = level, .cmsg_type = type};
	char *to = (char *)msg->msg_control + *used;

	if (left < sizeof head) {
		msg->msg_flags |= MSG_CTRUNC;
		return;
	}
	if (left < head.cmsg_len) {
		msg->msg_flags |= MSG_CTRUNC;
		head.cmsg_len = left;
	}
	memcpy(to, &head, sizeof head);
	memcpy(to + sizeof head, data, head.cmsg_len - sizeof head);
	*used += left < CMSG_SPACE(size) ? left : CMSG_SPACE(size);
}

static void fill(struct conn *c, const struct notice *n, struct msghdr *msg, int flags)
{
	struct {
		struct sock_extended_err error;
		struct sockaddr_in6 offender; /* nobody */
	} body = {.error = {.ee_errno = (uint32_t)n->error,
			    .ee_origin = SO_EE_ORIGIN_ZEROCOPY,
			    .ee_code = n->code,
			    .ee_info = n->low,
			    .ee_data = n->high}};
	struct rdma_placed placed = {.bytes = n->bytes, .number = n->low, .error = (uint32_t)n->error};
	int domain = AF_INET;
	socklen_t length = sizeof domain;
	size_t used = 0;

	kernel_getsockopt(conn_fd(c), SOL_SOCKET, SO_DOMAIN, &domain, &length);
	msg->msg_flags = MSG_ERRQUEUE | (flags & MSG_CMSG_CLOEXEC);
	if (domain == AF_INET6)
		put(msg, &used, SOL_IPV6, IPV6_RECVERR, &body, sizeof body);
	else
		put(msg, &used, SOL_IP, IP_RECVERR, &body, sizeof body.error + sizeof(struct sockaddr_in));
	if (n->error)
		put(msg, &used, SOL_RDMA, RDMA_PLACED, &placed, sizeof placed);
	msg->msg_controllen = used;
	if (msg->msg_name)
		msg->msg_namelen = 0;
}

ssize_t errqueue_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct conn *c = conn_get(fd);
	struct notice n;
	bool taken = false;

	if (c) {
		if (conn_special(c)) {
			placement_slice(c);
			if (load_relaxed(&c->shared->zerocopy) & ZEROCOPY_EVER)
				drain(c);
			taken = take(c, &n);
		}
		if (taken)
			fill(c, &n, msg, flags);
		conn_put(c);
	}
	/* Nothing of ours: also the answer that the queue is empty is the kernel's. */
	return taken ? 0 : kernel_recvmsg(fd, msg, flags);
}
