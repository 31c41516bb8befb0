/* Reading and writing promoted connections. DESIGN NOTES. A direction's bytes are TCP's up to X, the ring's up to Y, and
 * TCP's again: pull() and push() take the next bytes from, or give them to, whoever carries them now, without blocking; everything
 * above them is written once, as the kernel's recvmsg and sendmsg loops are (stream_recv.c, stream_send.c). */
#include "epoll.h"
#include "fdtab.h"
#include "iomap.h"
#include "kernel.h"
#include "placement.h"
#include "process.h"
#include "promote.h"
#include "resend.h"
#include "stream_parts.h"
#include "stretch.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>

/* --- routes --- */

/* No consent and no commit can be under way or come: calls need not be counted. */
static bool settled_on_tcp(const struct conn *c, enum stage stage)
{
	return stage == STAGE_RETURNED || (stage == STAGE_TCP && !load_acquire(&c->attached));
}

/* Once a stretch is decided, and what came before it is read, the kernel does it all. */
static enum stage settle_stretch(struct conn *c)
{
	uint64_t flags;

	if (stream_settle(c) && conn_recv_stage(c) == STAGE_RING && ring_readable(&c->recv_ring, &flags) == 0)
		stream_settle_returned(c);
	return conn_recv_stage(c);
}

enum route stream_recv_begin(int fd, struct passage *p)
{
	struct conn *c = fdtab_conn(fd);
	enum stage stage;

	p->conn = c;
	if (!c)
		return ROUTE_PLAIN;
	stage = conn_recv_stage(c);
	if (load_relaxed(&c->never) && settled_on_tcp(c, stage) && !conn_sends(c) && promote_over(c) &&
	    !process_forked_unseen())
		return ROUTE_PLAIN;
	c = conn_get(fd);
	p->conn = c;
	if (!c)
		return ROUTE_PLAIN;
	p->generation = c->generation;
	stage = conn_recv_stage(c);
	if (stage == STAGE_TCP && load_acquire(&c->attached)) {
		promote_consent(c);
		stage = conn_recv_stage(c);
	}
	if (__builtin_expect(load_relaxed(&c->stretch) != NULL, 0) && stage != STAGE_RETURNED)
		stage = settle_stretch(c);
	/* Whoever may be asked to send again, or is at it, must not sleep where it does not hear of that. */
	if ((stage == STAGE_TCP || stage == STAGE_RETURNED) && !conn_sends(c)) {
		conn_kernel_enter(&c->kernel_readers, p->generation);
		stage = conn_recv_stage(c);
		if (stage == STAGE_TCP || stage == STAGE_RETURNED) {
			conn_put(c);
			return ROUTE_KERNEL;
		}
		/* Another thread raised the gate meanwhile. */
		conn_kernel_leave(&c->kernel_readers, p->generation);
	}
	return ROUTE_ENGINE;
}

void stream_recv_plain(const struct passage *p, ssize_t n, bool taken)
{
	if (p->conn && taken)
		count_recv(p->conn->stats, n);
}

void stream_recv_end(const struct passage *p, int fd, ssize_t n, bool taken)
{
	struct conn *c = p->conn;
	int saved = errno;

	if (conn_get_again(c, p->generation, fd)) {
		if (n > 0 && taken)
			fetch_add(&c->shared->recv_kernel, (uint64_t)n);
		count_recv(c->stats, taken ? n : 0);
		if (promote_due(c))
			promote_attempt(c);
	}
	conn_kernel_leave(&c->kernel_readers, p->generation);
	conn_put(c);
	errno = saved;
}

/* What few sends have. */
static void begin_unusual(struct conn *c, int flags, struct passage *p)
{
	if (flags & (MSG_OOB | MSG_FASTOPEN)) {
		shared_lock_take(&c->shared->send_lock);
		promote_return_send(c, REASON_RETURNED_FEATURE);
		shared_lock_drop(&c->shared->send_lock);
		resend_finish(c);
	}
	if ((flags & MSG_ZEROCOPY) && errqueue_counts(c))
		p->numbering = NUMBERING_OURS;
}

/* False: FD was closed meanwhile. */
static bool placements_finish(struct conn *c, int fd)
{
	int error = 0;

	while (placement_pending(c) && error != -EBADF)
		error = placement_finish(c, fd, 0);
	return error != -EBADF;
}

enum route stream_send_begin(int fd, int flags, struct passage *p)
{
	struct conn *c = fdtab_conn(fd);
	enum stage stage;

	p->conn = c;
	p->numbering = NUMBERING_NONE;
	if (!c)
		return ROUTE_PLAIN;
	stage = conn_send_stage(c);
	/* With a queue there may be placements, which come first. */
	if (load_relaxed(&c->never) && settled_on_tcp(c, stage) && promote_over(c) && !process_forked_unseen() &&
	    !(flags & MSG_ZEROCOPY) && !load_relaxed(&c->errors))
		return ROUTE_PLAIN;
	c = conn_get(fd);
	p->conn = c;
	if (!c)
		return ROUTE_PLAIN;
	p->generation = c->generation;
	if (__builtin_expect(flags & (MSG_OOB | MSG_ZEROCOPY | MSG_FASTOPEN), 0))
		begin_unusual(c, flags, p);
	/* Every byte comes after them. A descriptor that is closed meanwhile the kernel refuses. */
	if (!placements_finish(c, fd)) {
		conn_put(c);
		p->conn = NULL;
		return ROUTE_PLAIN;
	}
	for (;;) {
		if (conn_send_stage(c) == STAGE_TCP && load_acquire(&c->attached) &&
		    WORD_STATE(load_acquire(conn_send_word(c))) == WIRE_CONSENT) {
			shared_lock_take(&c->shared->send_lock);
			promote_commit(c);
			shared_lock_drop(&c->shared->send_lock);
		}
		if (conn_sends(c))
			return ROUTE_ENGINE;
		if (__builtin_expect(load_relaxed(&c->far_gate), 0) && !stretch_wait(c, p->generation, fd)) {
			conn_put(c);
			p->conn = NULL;
			return ROUTE_PLAIN;
		}
		conn_kernel_enter(&c->kernel_writers, p->generation);
		if (!load_relaxed(&c->send_gate) && !load_relaxed(&c->far_gate) && !conn_sends(c)) {
			if (__builtin_expect(p->numbering, NUMBERING_NONE))
				p->numbering = errqueue_numbering(c);
			conn_put(c);
			return ROUTE_KERNEL;
		}
		/* A commit is being decided, or was. */
		conn_kernel_leave(&c->kernel_writers, p->generation);
		cpu_relax();
	}
}

void stream_send_plain(const struct passage *p, ssize_t n)
{
	if (p->conn)
		count_send(p->conn->stats, n);
}

void stream_send_end(const struct passage *p, int fd, ssize_t n, int flags)
{
	struct conn *c = p->conn;
	int saved = errno;

	if (conn_get_again(c, p->generation, fd)) {
		if (n > 0)
			fetch_add(&c->shared->send_kernel, (uint64_t)n);
		store_relaxed(&c->corked, (flags & MSG_MORE) != 0);
		count_send(c->stats, n);
		if (n > 0 && __builtin_expect(p->numbering, NUMBERING_NONE))
			errqueue_sent(c, p->numbering);
		if (promote_due(c))
			promote_attempt(c);
	}
	conn_kernel_leave(&c->kernel_writers, p->generation);
	conn_put(c);
	errno = saved;
}

/* --- for both directions --- */

int stream_walk_iov(const struct iov_walk *walk, size_t left, struct iovec *iov, int max)
{
	size_t offset = walk->offset;
	int n = 0;

	for (const struct iovec *from = walk->iov; left && n < max; from++, offset = 0) {
		size_t size = from->iov_len - offset;

		if (size > left)
			size = left;
		if (size == 0)
			continue;
		iov[n].iov_base = (char *)from->iov_base + offset;
		iov[n++].iov_len = size;
		left -= size;
	}
	return n;
}

ssize_t stream_broken(struct conn *c)
{
	int error = 0;
	socklen_t size = sizeof error;

	if (kernel_getsockopt(conn_fd(c), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error)
		return -conn_error(c, error);
	return -EPIPE;
}

void stream_raise_sigpipe(void)
{
	if (!load_relaxed(&process_exiting))
		sys_call3(SYS_tgkill, process_pid(), thread_id(), SIGPIPE);
}

int stream_ioctl(struct conn *c, unsigned long request, int *value)
{
	enum stage stage = conn_recv_stage(c);

	if (stage != STAGE_MOVING && stage != STAGE_RING)
		return -ENOTTY;
	if (request == FIONREAD) {
		*value = (int)stream_readable(c);
		return 0;
	}
	if (request == SIOCATMARK && stage == STAGE_RING) {
		uint64_t flags;

		/* The mark is in TCP, behind what the ring still holds. */
		if (ring_readable(&c->recv_ring, &flags) > 0) {
			*value = 0;
			return 0;
		}
	}
	return -ENOTTY;
}

int stream_shutdown(struct conn *c, int fd, int how)
{
	bool send = how == SHUT_WR || how == SHUT_RDWR, recv = how == SHUT_RD || how == SHUT_RDWR, first = false,
	     taken = false, owing = false;
	int error = 0;

	/* Our FIN comes after what was placed. */
	if (send && placement_pending(c))
		error = placement_finish(c, fd, iomap_patience(c, true, load_relaxed(&c->shared->nonblock)));
	if (error < 0)
		return error;
	if ((send || load_relaxed(&c->shared->shut_send)) && (recv || load_relaxed(&c->shared->shut_recv)))
		stretch_await(c);
	if (send) {
		store_relaxed(&c->shared->shut_send, 1);
		shared_lock_take(&c->shared->send_lock);
		/* Also while the direction is on TCP: a FIN that the channel knows of is not a death. */
		if (load_acquire(&c->attached) && resend_worth(c)) {
			resend_return(c, TAIL_FIN);
			taken = true;
		} else if (load_acquire(&c->attached)) {
			first = !(ring_end(&c->send_ring, TAIL_FIN) & TAIL_FIN);
		}
		/* What is owed goes before TCP's FIN, which comes from there (resend.c). */
		owing = conn_send_stage(c) == STAGE_OWING;
		if (owing)
			store_relaxed(&c->shared->shut_send, 2);
		shared_lock_drop(&c->shared->send_lock);
		/* Before TCP's FIN, so that both are one event to the peer; a second FIN is none. */
		if (first)
			conn_notify(c);
	}
	if (recv)
		store_relaxed(&c->shared->shut_recv, 1);
	if (!owing)
		error = (int)sys_call2(SYS_shutdown, fd, how);
	else
		error = recv ? (int)sys_call2(SYS_shutdown, fd, SHUT_RD) : 0;
	/* Its last bytes and its FIN are in TCP, and one event. */
	if (taken)
		conn_notify(c);
	store_release(&c->shared->tcp_event, 1);
	if (load_acquire(&c->attached)) {
		/* Shut both ways, TCP resets for what still comes: a writer must ask it. */
		if (load_relaxed(&c->shared->shut_send) && load_relaxed(&c->shared->shut_recv))
			store_release(&conn_own(c)->closed, 1);
		thread_wake_waiters(c);
		epoll_mark(c, EPOLL_MARK_ALL);
	}
	return error;
}
