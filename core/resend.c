/* Bytes that a ring gives back to TCP. */
#include "resend.h"
#include "epoll.h"
#include "fdtab.h"
#include "kernel.h"
#include "process.h"
#include "promote.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>

#define FINISH_MS 1000
#define ROOM_SPARE 4096 /* what the kernel's accounting adds to a few segments; to many it adds less than an eighth */

static uint64_t unread(struct conn *c)
{
	uint64_t flags;
	ssize_t bytes = ring_readable(&c->send_ring, &flags);

	return bytes < 0 ? 0 : (uint64_t)bytes;
}

/* Whether TCP takes BYTES without waiting. */
static bool fits(struct conn *c, uint64_t bytes)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t size = sizeof info;

	if (kernel_getsockopt(conn_fd(c), SOL_SOCKET, SO_MEMINFO, info, &size) < 0 || size < sizeof info)
		return false;
	return bytes + bytes / 8 + ROOM_SPARE + info[SK_MEMINFO_WMEM_QUEUED] <= info[SK_MEMINFO_SNDBUF];
}

struct claim {
	struct conn_shared *shared;
	uint64_t end;
	uint64_t written;
};

static void note_claim(void *arg, uint64_t from)
{
	struct claim *claim = arg;

	store_relaxed(&claim->shared->owed_from, from);
	store_relaxed(&claim->shared->owed_end, claim->end);
	store_release(&claim->shared->owed_written, claim->written);
}

/* Takes back what is unread behind tail BEFORE, as it was when our flag came to it. Whether TCP is to get something. */
static bool take_back(struct conn *c, uint64_t before)
{
	struct claim claim = {c->shared, TAIL_POSITION(before), 0};
	uint64_t from;
	ssize_t bytes;

	/* TCP's FIN has been sent. */
	if (before & TAIL_FIN)
		return false;
	if (!(before & TAIL_CLOSED) && !fits(c, unread(c)))
		return false;
	if (promote_written(conn_fd(c), &claim.written) < 0)
		return false;
	/* What somebody wrote past libc came before these. */
	if (claim.written - load_relaxed(&c->shared->probed) > WORD_POSITION(load_relaxed(conn_send_word(c)))) {
		conn_reset(c, REASON_FOREIGN_IO);
		return false;
	}
	bytes = ring_take_back(&c->send_ring, claim.end, note_claim, &claim, &from);
	if (bytes < 0)
		conn_reset(c, REASON_PROTOCOL);
	return bytes > 0;
}

bool resend_worth(struct conn *c)
{
	uint64_t bytes, tail = load_acquire(&conn_own(c)->tail);

	if (conn_send_stage(c) != STAGE_RING || (tail & TAIL_FIN))
		return false;
	if (tail & TAIL_CLOSED)
		return true;
	/* TCP would answer with a reset, and what is in the ring would be lost with it. */
	if (load_acquire(&conn_peer(c)->closed))
		return false;
	bytes = unread(c);
	return bytes && fits(c, bytes);
}

void resend_return(struct conn *c, uint64_t flag)
{
	uint64_t before = ring_end(&c->send_ring, TAIL_CLOSED | flag);

	if (load_relaxed(&c->shared->cork)) {
		const int on = 1;

		kernel_setsockopt(conn_fd(c), IPPROTO_TCP, TCP_CORK, &on, sizeof on);
	}
	if (take_back(c, before)) {
		store_release(&c->shared->send_stage, STAGE_OWING);
		resend_flush(c);
	} else {
		store_release(&c->shared->send_stage, STAGE_RETURNED);
	}
}

static void settled(struct conn *c)
{
	store_release(&c->shared->send_stage, STAGE_RETURNED);
	if (load_relaxed(&c->shared->shut_send) == 2)
		sys_call2(SYS_shutdown, conn_fd(c), SHUT_WR);
	thread_wake_waiters(c);
	conn_notify_own(c);
	epoll_sync(c);
}

/* A vfork child has descriptors of its own: the number may be another file there. */
static bool fd_is_ours(const struct conn *c)
{
	return process_is_us() || conn_is(c, conn_fd(c));
}

int resend_flush(struct conn *c)
{
	struct conn_shared *s = c->shared;

	if (conn_send_stage(c) != STAGE_OWING)
		return 0;
	if (!fd_is_ours(c))
		return -EAGAIN;
	for (;;) {
		uint64_t written, all = load_relaxed(&s->owed_end) - load_relaxed(&s->owed_from), left;
		const void *from;
		size_t size;
		ssize_t n;

		if (promote_written(conn_fd(c), &written) < 0)
			break;
		left = all - (written - load_relaxed(&s->owed_written));
		if (left == 0)
			break;
		if (left > all) {
			conn_reset(c, REASON_FOREIGN_IO);
			break;
		}
		/* Dead: what killed it the program's next call is to be told, not we. */
		if (kernel_poll_now(conn_fd(c), 0) & POLLHUP)
			break;
		size = left;
		from = ring_at(&c->send_ring, load_relaxed(&s->owed_end) - left, &size);
		n = kernel_sendto(conn_fd(c), from, size, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
		if (n == -EAGAIN)
			return -EAGAIN;
		/* Else nobody is left to read it. */
		if (n < 0 && n != -EINTR)
			break;
	}
	settled(c);
	return 0;
}

void resend_now(struct conn *c)
{
	shared_lock_take(&c->shared->send_lock);
	if (conn_send_stage(c) == STAGE_RING && resend_due(c))
		promote_return_send(c, REASON_RETURNED_PASSED);
	else
		resend_flush(c);
	shared_lock_drop(&c->shared->send_lock);
}

void resend_each(void)
{
	for (int fd = 0; fd <= fdtab_top(); fd++) {
		struct conn *c = fdtab_conn(fd) ? conn_get(fd) : NULL;

		if (!c)
			continue;
		if (load_acquire(&c->attached) && conn_fd(c) == fd)
			resend_look(c);
		conn_put(c);
	}
}

void resend_finish(struct conn *c)
{
	for (int i = 0; conn_send_stage(c) == STAGE_OWING && fd_is_ours(c); i++) {
		if (i == FINISH_MS) {
			conn_reset(c, REASON_OWED);
			return;
		}
		if (i)
			kernel_sleep_ms(1);
		resend_now(c);
	}
}

void resend_end(struct conn *c, bool running)
{
	/* A handler for a fault in the midst of a send may be what exits. */
	bool held = load_relaxed(&c->shared->send_lock.owner) == thread_id(), taken;

	if (!held)
		shared_lock_take(&c->shared->send_lock);
	taken = running ? conn_send_stage(c) == STAGE_RING : resend_worth(c);
	if (taken)
		resend_return(c, running ? 0 : TAIL_FIN);
	else if (!running && conn_send_stage(c) != STAGE_RETURNED && conn_send_stage(c) != STAGE_OWING)
		ring_end(&c->send_ring, TAIL_FIN);
	if (!held)
		shared_lock_drop(&c->shared->send_lock);
	if (!held)
		resend_finish(c);
	/* The last bytes and the FIN are one event to whoever hears of it before the descriptor is closed. */
	if (taken && !running)
		sys_call2(SYS_shutdown, conn_fd(c), SHUT_WR);
}
