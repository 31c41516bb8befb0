/* Receiving: pull() takes the next bytes from whoever has them (stream.c). */
#include "epoll.h"
#include "kernel.h"
#include "poll.h"
#include "promote.h"
#include "resend.h"
#include "stream_parts.h"
#include "stretch.h"
#include "trace.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

/* So long after a look, or after bytes came, no non-blocking miss asks TCP about the peer's death. */
#define LOOK_AGAIN_US 100
#define PIPE_CHUNK 4096 /* what a pipe that polls writable takes without blocking */

/* The kernel's recvmsg into the next MAX bytes of TO, which stays where it is. */
static ssize_t kernel_pull(struct conn *c, const struct iov_walk *to, size_t max, int flags)
{
	struct iovec iov[16];
	struct msghdr msg = {.msg_iov = iov};

	msg.msg_iovlen = (size_t)stream_walk_iov(to, max < to->left ? max : to->left, iov, 16);
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
		n = stream_broken(c);
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
		epoll_mark(c, EPOLL_MARK_DATA);
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

static ssize_t peek_kernel(struct conn *c, int fd, const struct iov_walk *to, int flags)
{
	uint32_t generation = c->generation;
	struct iovec iov[16];
	struct msghdr msg = {.msg_iov = iov};
	ssize_t n;

	msg.msg_iovlen = (size_t)stream_walk_iov(to, to->left, iov, 16);
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
	uint64_t deadline = nonblock ? 0 : stream_deadline(load_relaxed(&c->shared->recv_timeout_ns));
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
			deadline = stream_deadline(load_relaxed(&c->shared->recv_timeout_ns));
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
		stream_raise_sigpipe();
	return n;
}
