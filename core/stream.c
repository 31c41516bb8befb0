/* Reading and writing promoted connections. DESIGN NOTES. A direction's bytes are TCP's up to X, the ring's up to Y, and
 * TCP's again: pull() and push() take the next bytes from, or give them to, whoever carries them now, without blocking; everything
 * above them is written once, as the kernel's recvmsg and sendmsg loops are. */
#include "stream.h"
#include "epoll.h"
#include "fdtab.h"
#include "iomap.h"
#include "kernel.h"
#include "log.h"
#include "placement.h"
#include "poll.h"
#include "process.h"
#include "promote.h"
#include "resend.h"
#include "stretch.h"
#include "trace.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/ioctl.h>

#define LOOK_AGAIN_US \
	100 /* so long after a look, or after bytes came, no non-blocking miss asks TCP about the peer's death */
#define PIPE_CHUNK 4096 /* what a pipe that polls writable takes without blocking */

/* --- routes --- */

/* Calls that moved bytes. Those that found nothing do not count: one end may poll a million times for each message of the other's. */
static void count_recv(struct stats_conn *s, ssize_t n)
{
	if (n <= 0)
		return;
	count_add(&s->recv_calls, 1);
	count_add(&s->recv_bytes, (uint64_t)n);
}

static void count_send(struct stats_conn *s, ssize_t n)
{
	if (n <= 0)
		return;
	count_add(&s->send_calls, 1);
	count_add(&s->send_bytes, (uint64_t)n);
}

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

/* What the kernel says of a send that cannot succeed, its SIGPIPE left to the caller. */
static ssize_t broken(struct conn *c)
{
	int error = 0;
	socklen_t size = sizeof error;

	if (kernel_getsockopt(conn_fd(c), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error)
		return -conn_error(c, error);
	return -EPIPE;
}

/* --- receiving --- */

/* The next LEFT bytes of a walk as iovecs for the kernel; at most MAX of them. Returns how many. */
static int walk_iov(const struct iov_walk *walk, size_t left, struct iovec *iov, int max)
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

/* The kernel's recvmsg into the next MAX bytes of TO, which stays where it is. */
static ssize_t kernel_pull(struct conn *c, const struct iov_walk *to, size_t max, int flags)
{
	struct iovec iov[16];
	struct msghdr msg = {.msg_iov = iov};

	msg.msg_iovlen = (size_t)walk_iov(to, max < to->left ? max : to->left, iov, 16);
	return kernel_recvmsg(conn_fd(c), &msg, (flags & (MSG_PEEK | MSG_TRUNC)) | MSG_DONTWAIT);
}

/* Of SIZE bytes that TCP holds, those from before X: what comes after it belongs behind the ring's bytes, if the peer has already
 * returned the direction. Called after they were seen there, with the receive lock held. */
static size_t before_switch(struct conn *c, size_t size)
{
	uint64_t word = load_acquire(conn_recv_word(c)), left;

	if (WORD_STATE(word) != WIRE_COMMITTED)
		return size; /* seen before any commit: all from before */
	left = WORD_POSITION(word) - load_acquire(&c->shared->recv_kernel);
	return left < size ? left : size;
}

/* Reads TCP while the direction is MOVING, never past X. A commit may come at any moment, so bytes are looked at first and taken
 * when it is known which they are. As pull(); -EAGAIN also when X is reached. */
static ssize_t moving_pull(struct conn *c, struct iov_walk *to, int flags)
{
	ssize_t n;

	shared_lock_take(&c->shared->recv_lock);
	n = kernel_pull(c, to, to->left, (flags & MSG_TRUNC) | MSG_PEEK);
	if (n > 0) {
		n = (ssize_t)before_switch(c, (size_t)n);
		n = n ? kernel_pull(c, to, (size_t)n, MSG_TRUNC) : -EAGAIN;
		if (n > 0) {
			iov_walk_skip(to, (size_t)n);
			fetch_add(&c->shared->recv_kernel, (uint64_t)n);
		}
	}
	shared_lock_drop(&c->shared->recv_lock);
	return n;
}

bool stream_settle(struct conn *c)
{
	uint64_t word, position;
	uint32_t moving = STAGE_MOVING;

	if (conn_recv_stage(c) != STAGE_MOVING)
		return true;
	word = load_acquire(conn_recv_word(c));
	if (WORD_STATE(word) != WIRE_COMMITTED || (stretch_awaited(c) && !stretch_look(c)))
		return false;
	position = load_acquire(&c->shared->recv_kernel);
	if (position < WORD_POSITION(word)) {
		/* Another reader may have taken the last bytes and not counted them yet: the kernel knows. */
		if (promote_read(conn_fd(c), &position) < 0 || position < WORD_POSITION(word))
			return false;
	}
	if (position > WORD_POSITION(word)) {
		conn_reset(c, REASON_FOREIGN_IO);
		return false;
	}
	if (compare_swap(&c->shared->recv_stage, &moving, STAGE_RING)) {
		if (!load_relaxed(&c->stretch)) {
			store_relaxed(&c->stats->recv_transport, TRANSPORT_SHM);
			trace_add(c, TRACE_RECV_SHM, 0, position);
			conn_reason(c, REASON_PROMOTED);
			if (!load_relaxed(&c->stats->promoted_ns))
				store_relaxed(&c->stats->promoted_ns, clock_realtime());
		}
		epoll_sync(c);
	}
	return true;
}

/* The peer closed, exits or shut down, and TCP only has its last bytes: that is no return. */
static bool peer_ends(struct conn *c)
{
	return load_acquire(&conn_peer(c)->closed) || (load_acquire(&conn_peer(c)->tail) & TAIL_FIN);
}

void stream_settle_returned(struct conn *c)
{
	uint32_t ring = STAGE_RING;

	if (compare_swap(&c->shared->recv_stage, &ring, STAGE_RETURNED)) {
		if (load_relaxed(&c->stretch)) {
			/* It never left; what was in the ring had come by TCP. */
			store_relaxed(&c->stats->shm_recv_bytes, 0);
		} else if (!peer_ends(c)) {
			store_relaxed(&c->stats->recv_transport, TRANSPORT_TCP);
			trace_add(c, TRACE_RECV_RETURNED, 0, 0);
			conn_never(c, load_relaxed(&c->never) ? (enum reason)c->stats->reason : REASON_RETURNED_PASSED);
		}
		epoll_sync(c);
	}
}

/* The consumer made room: whoever waits for it hears. Head was moved by CAS, a full barrier. */
static void room_made(struct conn *c)
{
	if (__builtin_expect(load_relaxed(&conn_peer(c)->want_space), 0)) {
		ssize_t room = ring_writable(&c->recv_ring);

		if (room >= (ssize_t)ring_low_room(&c->recv_ring) || load_relaxed(&conn_own(c)->hungry))
			conn_grant_room(c);
	}
}

static bool at_mark(struct conn *c)
{
	int mark = 0;

	return kernel_ioctl(conn_fd(c), SIOCATMARK, &mark) == 0 && mark;
}

/* A receive that has bytes already leaves TCP's error, which the kernel tells once, to the next call. */
static bool only_error_left(struct conn *c)
{
	int waiting = 0, revents = errqueue_poll_now(c, 0);

	return revents > 0 && (revents & POLLERR) && kernel_ioctl(conn_fd(c), SIOCINQ, &waiting) == 0 && waiting == 0;
}

bool stream_foreign(struct conn *c)
{
	int waiting = 0;
	char byte;

	/* Bytes first, then the flag: who takes the direction back to TCP sets it before it writes there. */
	if (kernel_ioctl(conn_fd(c), SIOCINQ, &waiting) < 0 || waiting <= 0 ||
	    (load_acquire(&conn_peer(c)->tail) & TAIL_CLOSED))
		return false;
	/* After our FIN it is the peer's question whether we live (conn_note_end). */
	if (load_relaxed(&c->shared->shut_send))
		return kernel_recv(conn_fd(c), &byte, 1, MSG_DONTWAIT) == 1;
	conn_reset(c, REASON_FOREIGN_IO);
	return true;
}

/* The peer's FIN, behind all that it sent. What came after a shutdown of our own was answered by a reset, which goes first. 0 or
 * -errno. */
static ssize_t end_of_ring(struct conn *c)
{
	char byte;
	ssize_t n = load_relaxed(&c->shared->shut_recv) ? errqueue_poll_now(c, 0) : 0;

	if (n > 0 && (n & POLLERR))
		n = kernel_recv(conn_fd(c), &byte, 1, MSG_DONTWAIT);
	if (n >= 0 && !load_relaxed(&c->shared->shut_send) && stream_foreign(c))
		n = -ECONNRESET;
	return n < 0 ? -conn_error(c, (int)-n) : 0;
}

/* The next bytes, from whoever has them, without blocking; moves TO on. STARTED: the call has some already. > 0, 0 at the end, or
 * -errno. */
static ssize_t pull(struct conn *c, struct iov_walk *to, int flags, bool started)
{
	for (;;) {
		enum stage stage = conn_recv_stage(c);
		ssize_t n;

		/* Reads stop before an urgent byte; the kernel sees to that except at its first one. */
		if (stage == STAGE_RETURNED && started && at_mark(c))
			return -EAGAIN;
		if (__builtin_expect(stage == STAGE_RING, 1)) {
			n = ring_pull(&c->recv_ring, flags & MSG_TRUNC ? NULL : to, to->left);
			if (n > 0) {
				if (flags & MSG_TRUNC)
					iov_walk_skip(to, (size_t)n);
				count_add(&c->stats->shm_recv_bytes, (uint64_t)n);
				room_made(c);
				return n;
			}
			if (n == -EAGAIN)
				return n;
			if (n == -EPIPE)
				return started ? 0 : end_of_ring(c);
			if (n != -ESTALE) {
				conn_reset(c, REASON_PROTOCOL);
				return -ECONNRESET;
			}
			stream_settle_returned(c);
			continue;
		}
		/* At X already: TCP may only have an error left, and that comes after the ring. */
		if (stage == STAGE_MOVING && stream_settle(c))
			continue;
		/* Also on TCP, where a consent was put off while we were on our way: it may be tried again at any moment. */
		if (started && only_error_left(c))
			n = 0;
		else
			n = stage != STAGE_RETURNED ? moving_pull(c, to, flags) : kernel_pull(c, to, to->left, flags);
		if (n > 0) {
			if (stage == STAGE_RETURNED)
				iov_walk_skip(to, (size_t)n);
			return n;
		}
		/* Nothing left in TCP, or its end: if X was reached the ring goes first. */
		if (stage == STAGE_MOVING && (n == 0 || n == -EAGAIN) && stream_settle(c))
			continue;
		return n;
	}
}

ssize_t stream_take(struct conn *c, void *buf, size_t size)
{
	struct iovec iov = {buf, size};
	struct iov_walk to;

	iov_walk_init(&to, &iov, 1);
	return pull(c, &to, 0, false);
}

/* The ring is empty: has TCP ended? Bytes published before the end come first. As pull(); but once STARTED an error is left
 * for the next call, and the end is 0. */
static ssize_t pull_end(struct conn *c, struct iov_walk *to, int flags, bool started)
{
	char byte;
	int revents = errqueue_poll_now(c, POLLIN | POLLRDHUP);
	ssize_t n;

	if (revents <= 0)
		return revents < 0 ? revents : -EAGAIN;
	conn_note_end(c, revents, false);
	n = pull(c, to, flags, started);
	if (n != -EAGAIN || conn_recv_stage(c) != STAGE_RING)
		return n;
	if (started)
		return revents & (POLLRDHUP | POLLERR | POLLHUP) ? 0 : -EAGAIN;
	n = kernel_recv(conn_fd(c), &byte, 1, MSG_DONTWAIT | MSG_PEEK);
	if (n < 0)
		return -conn_error(c, (int)-n);
	/* Back on TCP just now: it is the stream's. */
	if (n > 0 && (load_acquire(&conn_peer(c)->tail) & TAIL_CLOSED))
		return pull(c, to, flags, started);
	if (n == 0 && load_relaxed(&c->shared->probed)) {
		/* After a FIN the kernel keeps the reset to itself. */
		n = broken(c);
		return n == -EPIPE ? 0 : n;
	}
	if (n == 0)
		return 0;
	kernel_recv(conn_fd(c), &byte, 1, MSG_DONTWAIT);
	/* A byte after X. After our FIN it is the peer's question whether we live; before it, somebody writes past libc. */
	if (!load_relaxed(&c->shared->shut_send))
		conn_reset(c, REASON_FOREIGN_IO);
	return -EAGAIN;
}

static void look_later(struct conn *c, uint64_t now)
{
	store_relaxed(&c->look_again, now + LOOK_AGAIN_US * clock_ticks_us);
}

bool stream_due_to_look(struct conn *c)
{
	uint64_t now;

	if (load_relaxed(&c->shared->tcp_event) || load_relaxed(&conn_peer(c)->closed))
		return true;
	now = clock_ticks();
	if (now < load_relaxed(&c->look_again))
		return false;
	look_later(c, now);
	return true;
}

size_t stream_readable(struct conn *c)
{
	enum stage stage;
	uint64_t flags, word;
	bool awaited;
	int waiting = 0;
	ssize_t n;

	if (stretch_awaited(c))
		stream_settle(c);
	awaited = stretch_awaited(c);
	stage = conn_recv_stage(c);
	if (stage != STAGE_RING) {
		kernel_ioctl(conn_fd(c), SIOCINQ, &waiting);
		if (stage != STAGE_MOVING)
			return (size_t)waiting;
		word = load_acquire(conn_recv_word(c));
		if (awaited) {
			size_t before = before_switch(c, (size_t)waiting);

			/* It may have been found meanwhile, and what TCP held is in the ring now. */
			return stretch_awaited(c) ? before : stream_readable(c);
		}
		if (WORD_STATE(word) != WIRE_COMMITTED ||
		    load_acquire(&c->shared->recv_kernel) + (uint64_t)waiting < WORD_POSITION(word))
			return (size_t)waiting;
	}
	n = ring_readable(&c->recv_ring, &flags);
	if (n > 0)
		waiting += n > INT_MAX - waiting ? INT_MAX - waiting : (int)n;
	/* What was written after the return to TCP comes after the ring. */
	if (stage == STAGE_RING && (flags & TAIL_CLOSED)) {
		int more = 0;

		if (kernel_ioctl(conn_fd(c), SIOCINQ, &more) == 0)
			waiting += more;
	}
	return (size_t)waiting;
}

bool stream_undecided(struct conn *c)
{
	int waiting = 0;

	return stretch_awaited(c) && kernel_ioctl(conn_fd(c), SIOCINQ, &waiting) == 0 &&
	       before_switch(c, (size_t)waiting) < (size_t)waiting;
}

void stream_lowat_changed(struct conn *c)
{
	if (load_acquire(&c->attached) && (stream_readable(c) >= load_relaxed(&c->shared->recv_lowat) ||
					   (load_acquire(&conn_peer(c)->tail) & TAIL_FIN)))
		epoll_mark(c, EPOLLIN | EPOLLRDNORM);
}

/* Whether the SIZE bytes at its head are all that R will ever hold: the direction went back to TCP behind them. */
static bool ring_ended(struct ring *r, size_t size)
{
	uint64_t flags;

	return ring_readable(r, &flags) == (ssize_t)size && (flags & TAIL_CLOSED);
}

/* Copies what can be read without taking it. Bytes, 0 at the end, -EAGAIN, or another error that only the kernel can report. */
static ssize_t peek(struct conn *c, struct iov_walk to, int flags)
{
	const struct iov_walk all = to;
	size_t start = to.left;
	enum stage stage;
	bool awaited = false;
	ssize_t n = -EAGAIN;

	stream_settle(c);
	stage = conn_recv_stage(c);
	if (stage != STAGE_RING) {
		if (stage == STAGE_MOVING) {
			shared_lock_take(&c->shared->recv_lock);
			awaited = stretch_awaited(c);
		}
		n = kernel_pull(c, &to, to.left, (flags & MSG_TRUNC) | MSG_PEEK);
		if (n > 0 && stage == STAGE_MOVING)
			n = (ssize_t)before_switch(c, (size_t)n);
		/* What lies there is not the program's, or not yet. */
		if (n == 0 && awaited)
			n = -EAGAIN;
		if (stage == STAGE_MOVING)
			shared_lock_drop(&c->shared->recv_lock);
		/* Once it is found, what was peeked at in TCP is in the ring: not to be seen twice. */
		if (awaited)
			return stretch_awaited(c) || (n < 0 && n != -EAGAIN) ? n : peek(c, all, flags);
		if (n > 0)
			iov_walk_skip(&to, (size_t)n);
		if (stage != STAGE_MOVING || (n < 0 && n != -EAGAIN))
			return n;
	}
	if (stage == STAGE_RING || (to.left && stream_readable(c) > start - to.left)) {
		ssize_t more = ring_peek(&c->recv_ring, &to, !(flags & MSG_TRUNC));

		if (more == -EPIPE && to.left == start)
			return end_of_ring(c);
		if (more == -ESTALE) {
			/* Nothing lies between what TCP has from before X and from after the return. */
			stream_settle_returned(c);
			return kernel_pull(c, &all, all.left, (flags & MSG_TRUNC) | MSG_PEEK);
		}
		if (more == -EPROTO) {
			conn_reset(c, REASON_PROTOCOL);
			return -ECONNRESET;
		}
		/* What was written after the return to TCP comes after the ring, unless it is urgent. */
		if (more > 0 && to.left && ring_ended(&c->recv_ring, (size_t)more) && !at_mark(c)) {
			ssize_t rest = kernel_pull(c, &to, to.left, (flags & MSG_TRUNC) | MSG_PEEK);

			if (rest > 0)
				iov_walk_skip(&to, (size_t)rest);
		}
		if (more == -EAGAIN && to.left == start) {
			int revents = errqueue_poll_now(c, POLLIN | POLLRDHUP);

			if (revents > 0) {
				store_relaxed(&c->shared->tcp_event, 1);
				more = ring_peek(&c->recv_ring, &to, !(flags & MSG_TRUNC));
				if (more == -EAGAIN)
					return kernel_pull(c, &to, to.left, MSG_PEEK);
			}
		}
	}
	return to.left == start ? (n == 0 ? 0 : -EAGAIN) : (ssize_t)(start - to.left);
}

static uint64_t deadline_of(uint64_t timeout_ns)
{
	return timeout_ns ? clock_monotonic() + timeout_ns : 0;
}

static ssize_t peek_kernel(struct conn *c, int fd, const struct iov_walk *to, int flags)
{
	uint32_t generation = c->generation;
	struct iovec iov[16];
	struct msghdr msg = {.msg_iov = iov};
	ssize_t n;

	msg.msg_iovlen = (size_t)walk_iov(to, to->left, iov, 16);
	conn_put_keep(c);
	n = kernel_recvmsg(fd, &msg, flags);
	return conn_get_again(c, generation, fd) ? n : -EBADF;
}

/* Sleeps a millisecond, or until a signal. The caller holds C again afterwards; whether it still is FD's the next wait tells. */
static void nap(struct conn *c, int fd)
{
	const struct timespec time = {0, 1000000};

	conn_put_keep(c);
	kernel_ppoll(NULL, 0, &time, NULL);
	conn_get_again(c, c->generation, fd);
}

static bool ends_here(struct conn *c)
{
	uint64_t flags = 0;

	if (conn_recv_stage(c) == STAGE_RING)
		ring_readable(&c->recv_ring, &flags);
	return flags || (conn_stream_revents(c, POLLRDHUP, 1) & (POLLRDHUP | POLLHUP | POLLERR));
}

static ssize_t recv_peek(struct conn *c, int fd, struct iov_walk to, int flags, size_t target, bool nonblock)
{
	uint64_t deadline = nonblock ? 0 : deadline_of(load_relaxed(&c->shared->recv_timeout_ns));
	uint64_t handlers = thread_self.handlers;
	ssize_t before = -1;

	for (;;) {
		ssize_t n = peek(c, to, flags);
		int error;

		/* As the kernel: a signal ends the wait for more. */
		if (n > 0 && thread_self.handlers != handlers)
			return n;

		/* Back on TCP: the rest of the wait is the kernel's. */
		if (conn_recv_stage(c) == STAGE_RETURNED && !conn_sends(c) && n < (ssize_t)target && !nonblock)
			return peek_kernel(c, fd, &to, flags);

		if (n >= (ssize_t)target || (n <= 0 && n != -EAGAIN) || nonblock)
			return n;
		/* Fewer than wanted, and after them the end, or the return to TCP, over which a peek does not look: that is all. */
		if (n > 0 && n == before && ends_here(c))
			return n;
		/* What TCP holds keeps it readable: no event tells that there is more of it. */
		if (n > 0 && n == before && conn_recv_stage(c) != STAGE_RING) {
			if (deadline && clock_monotonic() >= deadline)
				return n;
			nap(c, fd);
		}
		before = n;
		error = conn_wait(c, fd, POLLIN, (n > 0 ? (size_t)n : 0) + 1, deadline, n > 0);
		if (error < 0)
			return n > 0 ? n : error;
	}
}

static ssize_t recv_take(struct conn *c, int fd, struct iov_walk *to, int flags, size_t target, bool nonblock)
{
	uint64_t deadline = 0;
	bool deadline_known = false;
	size_t copied = 0;

	for (;;) {
		ssize_t n = pull(c, to, flags, copied > 0);
		int error;

		if (n > 0) {
			copied += (size_t)n;
			if (to->left)
				continue;
			return (ssize_t)copied;
		}
		if (n == -EAGAIN && copied < target && conn_recv_stage(c) == STAGE_RING &&
		    (nonblock ? stream_due_to_look(c) : load_relaxed(&c->shared->tcp_event))) {
			n = pull_end(c, to, flags, copied > 0);
			if (n > 0) {
				copied += (size_t)n;
				continue;
			}
		}
		if (n != -EAGAIN)
			return copied ? (ssize_t)copied : n;
		resend_look(c);
		if (copied >= target || nonblock)
			return copied ? (ssize_t)copied : -EAGAIN;
		if (!deadline_known) {
			deadline = deadline_of(load_relaxed(&c->shared->recv_timeout_ns));
			deadline_known = true;
		}
		error = conn_wait(c, fd, POLLIN,
				  copied || flags & MSG_WAITALL ? 1 : load_relaxed(&c->shared->recv_lowat), deadline,
				  copied > 0);
		if (error < 0)
			return copied ? (ssize_t)copied : error;
	}
}

ssize_t stream_recv(const struct passage *p, int fd, const struct iovec *iov, int count, int flags, int *out_flags)
{
	struct conn *c = p->conn;
	bool nonblock = load_relaxed(&c->shared->nonblock) || (flags & MSG_DONTWAIT);
	struct iov_walk to;
	size_t target;
	ssize_t n;

	if (out_flags)
		*out_flags = 0;
	n = iov_walk_init(&to, iov, count);
	if (n == 0) {
		target = load_relaxed(&c->shared->recv_lowat);
		if (target > to.left || (flags & MSG_WAITALL))
			target = to.left;
		if (flags & MSG_OOB) {
			struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)count};

			n = kernel_recvmsg(conn_fd(c), &msg, flags | MSG_DONTWAIT);
			if (out_flags)
				*out_flags = msg.msg_flags;
		} else if (to.left == 0) {
			char nothing;
			struct iovec byte = {&nothing, 1};

			/* A receive of nothing waits once for something, and leaves it. */
			iov_walk_init(&to, &byte, 1);
			n = recv_peek(c, fd, to, 0, 1, nonblock);
			if (n > 0 || (!nonblock && (n == -EAGAIN || n == -EINTR)))
				n = 0;
		} else if (flags & MSG_PEEK) {
			n = recv_peek(c, fd, to, flags, target ? target : 1, nonblock);
		} else {
			n = recv_take(c, fd, &to, flags, target ? target : 1, nonblock);
			if (n > 0 && nonblock)
				look_later(c, clock_ticks());
			count_recv(c->stats, n);
		}
	}
	conn_put(c);
	return n;
}

/* --- sending --- */

/* Asks TCP, if there is a reason to, whether anybody is left to write to. 0: yes. 1: no, and it does not know yet: the bytes are
 * sent in vain. Else the error that the send must give. */
static ssize_t send_check(struct conn *c)
{
	int revents;

	if (__builtin_expect(!load_relaxed(&conn_peer(c)->closed) && !load_relaxed(&c->shared->tcp_event), 1)) {
		uint64_t heard = load_relaxed(&conn_own(c)->head), head;

		/* It has sent us something since: then its own cache lines need not be asked. */
		if (heard != load_relaxed(&c->heard)) {
			store_relaxed(&c->heard, heard);
			return 0;
		}
		head = load_relaxed(&conn_peer(c)->head);
		/* The consumer stands still: a look now and then tells a slow one from a dead one. */
		if (head != load_relaxed(&c->stuck_head)) {
			store_relaxed(&c->stuck_head, head);
			return 0;
		}
		if (!stream_due_to_look(c))
			return 0;
	}
	revents = errqueue_poll_now(c, POLLRDHUP);
	if (revents & (POLLERR | POLLHUP))
		return broken(c);
	conn_note_end(c, revents, true);
	/* Both of its ways are shut: what TCP would carry there is answered by a reset, and never read. */
	return (revents & POLLRDHUP) && load_acquire(&conn_peer(c)->closed) ? 1 : 0;
}

/* Gives the next bytes to whoever carries them, without blocking; moves FROM on. > 0 or -errno. Under the send lock. */
static ssize_t push(struct conn *c, struct iov_walk *from)
{
	struct iovec iov[16];
	struct msghdr msg = {.msg_iov = iov};
	ssize_t n;

	while (conn_send_stage(c) == STAGE_RING) {
		n = ring_push(&c->send_ring, from);
		if (n > 0) {
			count_add(&c->stats->shm_send_bytes, (uint64_t)n);
			return n;
		}
		if (n == -EPIPE)
			return broken(c);
		if (n == -EPROTO) {
			conn_reset(c, REASON_PROTOCOL);
			return -ECONNRESET;
		}
		if (n == -ENOMEM)
			promote_return_send(c, REASON_NO_MEMORY);
		else if (n == -ESTALE)
			promote_return_send(c, REASON_RETURNED_PASSED);
		else
			return n;
	}
	n = resend_flush(c);
	if (n < 0)
		return n;
	msg.msg_iovlen = (size_t)walk_iov(from, from->left, iov, 16);
	n = kernel_sendmsg(conn_fd(c), &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		iov_walk_skip(from, (size_t)n);
	return n;
}

/* Waits for room; the send lock is not held. As conn_wait. */
static int wait_room(struct conn *c, int fd, uint64_t *deadline, bool *deadline_known, bool partial)
{
	if (!*deadline_known) {
		*deadline = deadline_of(load_relaxed(&c->shared->send_timeout_ns));
		*deadline_known = true;
	}
	return conn_wait(c, fd, POLLOUT, 1, *deadline, partial);
}

/* True if there is room after all; else the consumer will tell when there is. TCP_USER_TIMEOUT gives up a peer that takes nothing,
 * also while this process is in no call of ours: only the kernel's clock can, so such a direction goes back to TCP. Under the
 * send lock. */
static bool ask_for_room(struct conn *c)
{
	unsigned int timeout_ms = 0;
	socklen_t size = sizeof timeout_ms;

	conn_want_room(c);
	if (ring_writable(&c->send_ring) > 0)
		return true;
	if (kernel_getsockopt(conn_fd(c), IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, &size) < 0 || timeout_ms == 0)
		return false;
	promote_return_send(c, REASON_USER_TIMEOUT);
	return conn_send_stage(c) != STAGE_RING;
}

#define ADDRESS_LEAST 65536u /* no program has memory below (vm.mmap_min_addr) */

/* DIFFERS: the kernel also refuses an address that lies above, in memory that the program does not have. */
static bool harmless_name(const struct msghdr *msg)
{
	return !msg->msg_name ||
	       ((uintptr_t)msg->msg_name >= ADDRESS_LEAST && msg->msg_namelen <= sizeof(struct sockaddr_storage));
}

int stream_send_company(int fd, const struct msghdr *msg)
{
	struct msghdr company = {0};
	ssize_t n;

	if (!msg || (!msg->msg_controllen && harmless_name(msg)))
		return 0;
	company.msg_name = msg->msg_name;
	company.msg_namelen = msg->msg_namelen;
	company.msg_control = msg->msg_control;
	company.msg_controllen = msg->msg_controllen;
	n = kernel_sendmsg(fd, &company, MSG_DONTWAIT | MSG_NOSIGNAL);
	/* Its end is the send's to tell, with a signal. */
	return n < 0 && n != -EPIPE ? (int)n : 0;
}

static void raise_sigpipe(void)
{
	if (!load_relaxed(&process_exiting))
		sys_call3(SYS_tgkill, process_pid(), thread_id(), SIGPIPE);
}

ssize_t stream_send(const struct passage *p, int fd, const struct iovec *iov, int count, int flags)
{
	struct conn *c = p->conn;
	bool nonblock = load_relaxed(&c->shared->nonblock) || (flags & MSG_DONTWAIT), deadline_known = false;
	uint64_t deadline = 0;
	size_t copied = 0;
	struct iov_walk from;
	ssize_t n = iov_walk_init(&from, iov, count);

	/* Nothing to send: the kernel's answer moves no byte. */
	if (n == 0 && from.left == 0)
		n = kernel_sendto(conn_fd(c), NULL, 0, flags | MSG_NOSIGNAL, NULL, 0);
	/* DIFFERS: the kernel also says so when RLIMIT_MEMLOCK allows no more pinned pages; here none is pinned. */
	else if (__builtin_expect(p->numbering, NUMBERING_NONE) && !errqueue_reserve(c))
		n = -ENOBUFS;
	while (n >= 0 && from.left) {
		bool room;

		shared_lock_take(&c->shared->send_lock);
		n = send_check(c);
		if (n > 0) {
			copied += from.left;
			iov_walk_skip(&from, from.left);
		}
		while (n >= 0 && from.left) {
			n = push(c, &from);
			if (n > 0) {
				copied += (size_t)n;
				if (conn_send_stage(c) == STAGE_RING)
					conn_notify(c);
			}
		}
		room = n == -EAGAIN && conn_send_stage(c) == STAGE_RING && ask_for_room(c);
		shared_lock_drop(&c->shared->send_lock);
		if (n != -EAGAIN)
			break;
		if (room)
			n = 0;
		else if (!nonblock)
			n = wait_room(c, fd, &deadline, &deadline_known, copied > 0);
	}
	if (copied && n != -EBADF) {
		n = (ssize_t)copied;
		if (__builtin_expect(p->numbering, NUMBERING_NONE))
			errqueue_sent(c, p->numbering);
	}
	if (load_relaxed(&c->trickle))
		store_relaxed(&c->trickle, 0);
	count_send(c->stats, n);
	conn_put(c);
	if (n == -EPIPE && !(flags & MSG_NOSIGNAL))
		raise_sigpipe();
	return n;
}

/* Fills the ring's next room from IN_FD, a FILE or else a pipe. > 0, 0 at its end, -EAGAIN no room, or another -errno. Under the send
 * lock. */
static ssize_t push_from(struct conn *c, int in_fd, off_t *offset, size_t size, bool file)
{
	int error = 0;
	size_t room = 0;
	void *to = ring_reserve(&c->send_ring, &room, &error);
	ssize_t n;

	if (!to)
		return error == -EPIPE ? broken(c) : error;
	if (room > size)
		room = size;
	n = offset ? sys_pread(in_fd, to, room, *offset) : sys_read(in_fd, to, room);
	if (n <= 0)
		return n;
	error = ring_publish(&c->send_ring, (size_t)n);
	/* The direction ended under us; a file can be wound back, a pipe's bytes go to TCP with what the peer has not read. */
	if (error == -ESTALE && !file) {
		error = ring_publish_closed(&c->send_ring, (size_t)n);
		if (error == 0)
			promote_return_send(c, REASON_RETURNED_PASSED);
	}
	if (error < 0) {
		if (file && !offset)
			sys_call3(SYS_lseek, in_fd, -n, SEEK_CUR);
		return error == -EPIPE ? broken(c) : error;
	}
	if (offset)
		*offset += n;
	count_add(&c->stats->shm_send_bytes, (uint64_t)n);
	conn_notify(c);
	return n;
}

/* What is wrong with reading IN_FD at OFFSET, if there is one, comes before what is wrong with the connection. 0 or -errno. */
static ssize_t source_error(int in_fd, const off_t *offset)
{
	char nothing;

	return offset ? sys_pread(in_fd, &nothing, 0, *offset) : 0;
}

/* The kernel's own sendfile or splice, for a direction that is back on TCP. C is held again afterwards. */
static ssize_t kernel_send_from(const struct passage *p, int fd, int in_fd, off_t *offset, size_t size, bool file,
				bool nonblock)
{
	ssize_t n;

	conn_put_keep(p->conn);
	n = file ? sys_call4(SYS_sendfile, fd, in_fd, offset, size)
		 : sys_call6(SYS_splice, in_fd, 0, fd, 0, (long)size, nonblock ? SPLICE_F_NONBLOCK : 0);
	conn_get_again(p->conn, p->generation, fd);
	return n;
}

ssize_t stream_send_from(const struct passage *p, int fd, int in_fd, off_t *offset, size_t size, bool file,
			 bool nonblock)
{
	struct conn *c = p->conn;
	bool deadline_known = false, by_kernel = false;
	uint64_t deadline = 0;
	size_t copied = 0;
	ssize_t n = 0;

	nonblock |= load_relaxed(&c->shared->nonblock);
	while (copied < size) {
		bool room;

		/* Back on TCP: the rest is the kernel's, which may sleep. */
		by_kernel = conn_send_stage(c) == STAGE_RETURNED;
		if (by_kernel) {
			n = kernel_send_from(p, fd, in_fd, offset, size - copied, file, nonblock);
			if (n > 0)
				copied += (size_t)n;
			break;
		}

		/* A pipe without bytes must not be read under the lock. */
		if (!file && !(kernel_poll_now(in_fd, POLLIN) & (POLLIN | POLLHUP))) {
			struct pollfd wait = {.fd = in_fd, .events = POLLIN};
			int ready;

			n = -EAGAIN;
			if (copied || nonblock)
				break;
			conn_put_keep(c);
			ready = kernel_ppoll(&wait, 1, NULL, NULL);
			n = ready < 0 ? -errno : 0;
			if (!conn_get_again(c, p->generation, fd))
				n = -EBADF;
			if (n < 0)
				break;
			continue;
		}
		shared_lock_take(&c->shared->send_lock);
		n = send_check(c);
		if (n >= 0)
			n = resend_flush(c);
		if (n >= 0 && conn_send_stage(c) == STAGE_RETURNED) {
			shared_lock_drop(&c->shared->send_lock);
			continue;
		}
		if (n >= 0)
			n = push_from(c, in_fd, offset, size - copied, file);
		if (n == -ESTALE || n == -ENOMEM) {
			promote_return_send(c, n == -ENOMEM ? REASON_NO_MEMORY : REASON_RETURNED_PASSED);
			shared_lock_drop(&c->shared->send_lock);
			continue;
		}
		room = n == -EAGAIN && conn_send_stage(c) == STAGE_RING && ask_for_room(c);
		shared_lock_drop(&c->shared->send_lock);
		if (n > 0) {
			copied += (size_t)n;
			if (!file)
				break; /* splice moves what is there */
		} else if (n == -EAGAIN) {
			if (room)
				continue;
			if (nonblock || (!copied && source_error(in_fd, offset) < 0))
				break;
			n = wait_room(c, fd, &deadline, &deadline_known, copied > 0);
			if (n < 0)
				break;
		} else {
			break;
		}
	}
	if (copied && n != -EBADF) {
		n = (ssize_t)copied;
	} else if (n < 0 && !by_kernel) {
		ssize_t error = source_error(in_fd, offset);

		n = error < 0 ? error : n;
	}
	count_send(c->stats, n);
	conn_put(c);
	/* The kernel has done it. */
	if (n == -EPIPE && !by_kernel)
		raise_sigpipe();
	return n;
}

ssize_t stream_recv_to(const struct passage *p, int fd, int out_fd, size_t size, bool nonblock)
{
	struct conn *c = p->conn;
	bool broken_pipe = false;
	size_t copied = 0;
	ssize_t n = 0;

	nonblock |= load_relaxed(&c->shared->nonblock);
	while (copied < size) {
		char chunk[PIPE_CHUNK];
		size_t part = size - copied < sizeof chunk ? size - copied : sizeof chunk;
		struct iovec iov = {chunk, part};
		struct iov_walk to;
		int revents;

		revents = kernel_poll_now(out_fd, POLLOUT);
		/* Nobody reads it: what is not taken from the connection is not lost. */
		broken_pipe = revents & POLLERR;
		if (broken_pipe) {
			n = -EPIPE;
			break;
		}
		if (!(revents & POLLOUT)) {
			struct pollfd wait = {.fd = out_fd, .events = POLLOUT};

			n = -EAGAIN;
			if (copied || nonblock)
				break;
			conn_put_keep(c);
			n = kernel_ppoll(&wait, 1, NULL, NULL) < 0 ? -errno : 0;
			if (!conn_get_again(c, p->generation, fd))
				n = -EBADF;
			if (n < 0)
				break;
			continue;
		}
		iov_walk_init(&to, &iov, 1);
		n = recv_take(c, fd, &to, 0, 1, nonblock || copied);
		if (n <= 0)
			break;
		n = sys_write(out_fd, chunk, (size_t)n);
		if (n <= 0)
			break;
		copied += (size_t)n;
	}
	if (copied)
		n = (ssize_t)copied;
	count_recv(c->stats, n);
	conn_put(c);
	if (n == -EPIPE && broken_pipe)
		raise_sigpipe();
	return n;
}

/* --- the rest --- */

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
