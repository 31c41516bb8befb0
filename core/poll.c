/* Waiting. DESIGN NOTES. Three steps, each only if the one before found nothing: look at shared memory (and at the kernel, with a
 * zero timeout, for everything else); spin, for a bounded time and only while it pays; announce, look once more, and sleep in one
 * kernel call that includes the thread's bell. A promoted connection's socket stays in that call for FIN and RST alone. */
#include "poll.h"
#include "config.h"
#include "dgram.h"
#include "epoll.h"
#include "errqueue.h"
#include "fdtab.h"
#include "kernel.h"
#include "placement.h"
#include "process.h"
#include "resend.h"
#include "stream.h"
#include "stretch.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/single_threaded.h>

#define SPIN_BURST 50 /* looks between two chances for signal handlers */
#define SPIN_CREDIT_MAX 64
#define SPIN_PROBE 64  /* a thread whose spins do not pay tries again after so many waits */
#define NAP_NS 1000000 /* sleep where no bell could be had */
#define LOCAL_FDS 64   /* poll arrays up to this size live on the stack */
#define TRICKLE 32     /* waits that make a trickle of small messages */
#define TRICKLE_BYTES 8192
#define GATHER_US 1 /* how long a reader leaves the ring to such a writer */

/* --- what is ready --- */

short conn_revents(struct conn *c, short events, size_t lowat)
{
	short revents = conn_stream_revents(c, events, lowat);

	return errqueue_waiting(c) ? revents | POLLERR : revents;
}

short conn_stream_revents(struct conn *c, short events, size_t lowat)
{
	enum stage send = conn_send_stage(c), recv;
	const short in = POLLIN | POLLRDNORM, out = POLLOUT | POLLWRNORM;
	short revents = 0, kernel = 0;
	bool settled = stream_settle(c), ended = false;

	recv = conn_recv_stage(c);
	if (load_relaxed(&c->shared->tcp_event) || !settled || recv != STAGE_RING || send != STAGE_RING ||
	    (events & POLLPRI) || load_relaxed(&conn_peer(c)->closed)) {
		int k = errqueue_poll_now(c, POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLWRNORM);

		if (k < 0)
			return POLLNVAL;
		if (recv == STAGE_RING && (k & POLLIN) && stream_foreign(c))
			k = kernel_poll_now(conn_fd(c),
					    POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLWRNORM);
		kernel = (short)conn_note_end(c, k, false);
		revents |= kernel & (POLLERR | POLLHUP | POLLPRI | POLLRDHUP);
		ended = kernel & (POLLERR | POLLHUP | POLLRDHUP);
	}
	if (recv == STAGE_RING) {
		uint64_t flags;
		ssize_t bytes = ring_readable(&c->recv_ring, &flags);

		if (bytes == 0 && (flags & TAIL_CLOSED)) {
			stream_settle_returned(c);
			return conn_stream_revents(c, events, lowat);
		}
		if (bytes < 0 || bytes >= (ssize_t)lowat || ended || flags) {
			revents |= in;
		} else if (bytes > 0 && (events & in)) {
			/* The producer may be waiting for a third of the ring while we wait for the rest of it. */
			exchange(&conn_own(c)->hungry, 1);
			if (load_relaxed(&conn_peer(c)->want_space))
				conn_grant_room(c);
		} else if (bytes == 0 && (events & in) && load_relaxed(&conn_peer(c)->want_space)) {
			/* Who read all of it died before it could say so. */
			conn_grant_room(c);
		}
		/* TCP's FIN follows it. */
		if (flags & TAIL_FIN)
			revents |= load_relaxed(&c->shared->shut_send) ? POLLRDHUP | POLLHUP : POLLRDHUP;
	} else {
		/* Of what TCP has not all is the program's. */
		if (recv != STAGE_MOVING || ended || !stretch_awaited(c) || stream_readable(c) >= lowat)
			revents |= kernel & in;
		if (recv == STAGE_MOVING && !(kernel & POLLIN) && lowat > 1 && stream_readable(c) >= lowat)
			revents |= in;
	}
	if (send == STAGE_RING && !(kernel & (POLLERR | POLLHUP)) && !load_relaxed(&c->shared->shut_send)) {
		ssize_t room = ring_writable(&c->send_ring);
		uint64_t tail = load_relaxed(&conn_own(c)->tail);
		/* Closed, and TCP knows nothing of it: somebody else has the other end too, and there is no room. */
		bool gone = (kernel & POLLRDHUP) && conn_peer_gone(c, kernel);

		if (room < (ssize_t)ring_low_room(&c->send_ring) && (events & out) && !gone) {
			conn_want_room(c);
			room = ring_writable(&c->send_ring);
		}
		if (room < 0 || room >= (ssize_t)ring_low_room(&c->send_ring) || gone || (tail & TAIL_FLAGS) ||
		    (room > 0 && load_acquire(&conn_peer(c)->hungry))) {
			revents |= out;
		}
	} else if (send != STAGE_OWING || (kernel & (POLLERR | POLLHUP))) {
		revents |= kernel & out;
	}
	return revents & (events | POLLERR | POLLHUP);
}

void conn_note_kernel(struct conn *c, int revents)
{
	revents = errqueue_sift(c, revents);
	if ((revents & (POLLRDHUP | POLLERR | POLLHUP)) || ((revents & POLLIN) && conn_recv_stage(c) == STAGE_RING))
		store_relaxed(&c->shared->tcp_event, 1);
}

short conn_kernel_events(struct conn *c, short events)
{
	enum stage recv = conn_recv_stage(c);
	short mask = events & POLLPRI;

	if (recv != STAGE_RING)
		mask |= events & (POLLIN | POLLRDNORM | POLLRDHUP);
	else if (!load_relaxed(&c->shared->end_seen) && !(load_acquire(&conn_peer(c)->tail) & TAIL_CLOSED))
		mask |= POLLIN; /* nothing may come there, but what does must be heard */
	if (conn_send_stage(c) != STAGE_RING)
		mask |= events & (POLLOUT | POLLWRNORM);
	if (conn_send_stage(c) == STAGE_OWING)
		mask |= POLLOUT; /* whoever waits sends what is owed */
	/* The end of a half-closed connection was seen: as a level it would wake us for ever. */
	if (!load_relaxed(&c->shared->end_seen))
		mask |= POLLRDHUP;
	return mask;
}

/* --- spinning --- */

static __thread int spin_credit = SPIN_CREDIT_MAX / 2;
static __thread unsigned spin_skipped;

bool spin_worth(long polling_time)
{
	if (polling_time == 0 || spin_cpus == 1)
		return false;
	return spin_credit > 0 || ++spin_skipped % SPIN_PROBE == 0;
}

void spin_result(bool paid)
{
	if (paid)
		spin_credit = spin_credit + 4 > SPIN_CREDIT_MAX ? SPIN_CREDIT_MAX : spin_credit + 4;
	else if (spin_credit > 0)
		spin_credit--;
}

static uint64_t spin_end(void)
{
	return clock_ticks() + (uint64_t)settings()->polling_time * clock_ticks_us;
}

static bool can_spin_for(struct conn *c, short events)
{
	if ((events & POLLIN) && conn_recv_stage(c) != STAGE_RING)
		return false;
	if ((events & POLLOUT) && (conn_send_stage(c) != STAGE_RING || load_relaxed(&conn_peer(c)->closed)))
		return false;
	/* One end is closed: what comes next may come from TCP. */
	return !load_relaxed(&c->shared->tcp_event);
}

/* The cheap part of conn_revents: shared memory only. */
static inline bool ring_news(struct conn *c, short events, size_t lowat)
{
	if (events & POLLIN) {
		uint64_t flags;

		if (ring_readable(&c->recv_ring, &flags) >= (ssize_t)lowat || flags)
			return true;
	}
	if ((events & POLLOUT) && (ring_writable(&c->send_ring) >= (ssize_t)ring_low_room(&c->send_ring) ||
				   load_relaxed(&conn_peer(c)->closed)))
		return true;
	return false;
}

/* --- one connection --- */

/* What a wait interrupted by a signal must do: -EINTR, or 0 to go on, as the kernel decides for recv and send. */
static int interrupted(uint64_t handlers, uint64_t interruptions, bool strict)
{
	if (thread_self.interruptions != interruptions || (strict && thread_self.handlers != handlers))
		return -EINTR;
	return 0;
}

/* The time is up, but the kernel was not asked since the wait began: what it has is no timeout. */
static int last_look(struct conn *c, short events)
{
	int revents = kernel_poll_now(conn_fd(c), events);

	if (revents <= 0)
		return -EAGAIN;
	conn_note_kernel(c, revents);
	return 0;
}

int poll_interrupted(uint64_t handlers, uint64_t interruptions, bool strict)
{
	if (thread_handlers_unseen)
		return strict || !thread_handlers_restart() ? -EINTR : 0;
	return interrupted(handlers, interruptions, strict);
}

static int wait_sleep(struct conn *c, int fd, short events, size_t lowat, uint64_t deadline_ns, bool strict)
{
	struct thread *self = &thread_self;
	uint64_t handlers = self->handlers, interruptions = self->interruptions, now;
	uint32_t generation = c->generation;
	bool bell = c->link && thread_ready_to_sleep() == 0 && sleeper_bell(&self->sleeper, c->link->own, false) >= 0,
	     rung;
	struct pollfd fds[2] = {{.fd = conn_fd(c)}, {.events = POLLIN}};
	struct timespec timeout;
	int64_t left_ns = FOREVER;
	uint32_t pages = 0;
	int n, error;

	if (bell) {
		conn_interest(c, sleeper_bell(&self->sleeper, c->link->own, false));
		pages = sleeper_announce(&self->sleeper);
		/* Again, now that nobody drops it from there any more. */
		conn_interest(c, sleeper_bell(&self->sleeper, c->link->own, false));
		fds[1].fd = self->sleeper.fd;
	} else {
		left_ns = NAP_NS;
	}
	resend_look(c);
	if (conn_stream_revents(c, events, lowat)) {
		if (bell)
			sleeper_awake(&self->sleeper, pages, false);
		/* Handlers get their chance even if this goes on. */
		conn_put_keep(c);
		return conn_get_again(c, generation, fd) ? interrupted(handlers, interruptions, strict) : -EBADF;
	}
	fds[0].events = conn_kernel_events(c, events);
	if (stream_undecided(c))
		fds[0].events &= ~(POLLIN | POLLRDNORM);
	if (deadline_ns) {
		now = clock_monotonic();
		if (now >= deadline_ns) {
			if (bell)
				sleeper_awake(&self->sleeper, pages, false);
			return last_look(c, fds[0].events);
		}
		if (left_ns < 0 || (uint64_t)left_ns > deadline_ns - now)
			left_ns = (int64_t)(deadline_ns - now);
	}
	if (left_ns >= 0) {
		timeout.tv_sec = left_ns / 1000000000;
		timeout.tv_nsec = left_ns % 1000000000;
	}
	count_add(&c->stats->sleeps, 1);
	self->asleep_on = bell ? &self->sleeper : NULL;
	conn_put_keep(c);
	n = kernel_ppoll(fds, bell ? 2 : 1, left_ns < 0 ? NULL : &timeout, NULL);
	error = n < 0 ? -errno : 0;
	self->asleep_on = NULL;
	rung = n > 0 && fds[1].revents;
	if (!conn_get_again(c, generation, fd))
		error = -EBADF;
	if (bell)
		sleeper_awake(&self->sleeper, pages, rung);
	if (error == -EBADF)
		return error;
	if (n > 0)
		conn_note_kernel(c, fds[0].revents);
	if (error == -EINTR)
		return poll_interrupted(handlers, interruptions, strict);
	return error == 0 ? interrupted(handlers, interruptions, strict) : error;
}

/* A reader that is faster than a writer of small messages takes the ring's cache lines from it at every one, and both then go at the
 * pace of those lines. Where this is so - many waits in a row found little, and found it at once, and nothing was sent in between - the
 * reader keeps its hands off for a moment, and finds several. */
static void let_gather(struct conn *c, short events, uint64_t now)
{
	uint64_t end = now + GATHER_US * clock_ticks_us;

	if (events != POLLIN || load_relaxed(&c->trickle) < TRICKLE)
		return;
	do
		cpu_relax();
	while (clock_ticks() < end);
}

static void note_gathered(struct conn *c, short events, uint64_t ticks)
{
	uint64_t flags;
	uint32_t trickle = load_relaxed(&c->trickle);

	if (events != POLLIN)
		return;
	if (ticks > 2 * GATHER_US * clock_ticks_us || ring_readable(&c->recv_ring, &flags) > TRICKLE_BYTES)
		store_relaxed(&c->trickle, 0);
	else if (trickle < TRICKLE)
		store_relaxed(&c->trickle, trickle + 1);
}

/* Placements are under way: a slice instead of sleep. As conn_wait. */
static int wait_placing(struct conn *c, int fd, uint64_t deadline_ns, bool strict)
{
	uint64_t handlers = thread_self.handlers, interruptions = thread_self.interruptions;
	uint32_t generation = c->generation;
	int error;

	placement_slice(c);
	conn_put_keep(c);
	error = interrupted(handlers, interruptions, strict);
	if (!conn_get_again(c, generation, fd))
		error = -EBADF;
	return error == 0 && deadline_ns && clock_monotonic() >= deadline_ns ? -EAGAIN : error;
}

static int wait_for(struct conn *c, int fd, short events, size_t lowat, uint64_t deadline_ns, bool partial)
{
	bool strict = partial || deadline_ns;
	long polling_time;

	if (placement_pending(c))
		return wait_placing(c, fd, deadline_ns, strict);
	polling_time = conn_settings(c)->polling_time;
	if (spin_worth(polling_time) && can_spin_for(c, events)) {
		uint64_t start = clock_ticks(), end = start + (uint64_t)polling_time * clock_ticks_us;
		uint64_t handlers = thread_self.handlers, interruptions = thread_self.interruptions;
		uint32_t generation = c->generation;

		ring_prefetch(&c->send_ring);
		let_gather(c, events, start);
		for (;;) {
			int error;

			for (int i = 0; i < SPIN_BURST; i++) {
				if (ring_news(c, events, lowat)) {
					spin_result(true);
					count_add(&c->stats->spins, 1);
					note_gathered(c, events, clock_ticks() - start);
					return 0;
				}
				cpu_relax();
			}
			/* Let handlers in, and let the connection be closed. */
			conn_put_keep(c);
			error = interrupted(handlers, interruptions, strict);
			if (!conn_get_again(c, generation, fd))
				error = -EBADF;
			if (error < 0)
				return error;
			if (clock_ticks() > end)
				break;
		}
		spin_result(false);
	}
	return wait_sleep(c, fd, events, lowat, deadline_ns, strict);
}

int conn_wait(struct conn *c, int fd, short events, size_t lowat, uint64_t deadline_ns, bool partial)
{
	int error;

	/* Where the connection is not held, this says that we come back to it. */
	thread_list_me();
	store_release(&thread_self.waiting, c);
	full_barrier();
	error = wait_for(c, fd, events, lowat, deadline_ns, partial);
	store_release(&thread_self.waiting, NULL);
	return error;
}

/* --- many descriptors --- */

bool poll_special(const struct pollfd *fds, nfds_t count)
{
	for (nfds_t i = 0; i < count; i++) {
		uintptr_t word = fdtab_word(fds[i].fd);

		if ((word & 3) == FD_EPOLL || ((word & 3) == FD_DGRAM && dgram_special(fds[i].fd)))
			return true;
		if ((word & 3) == FD_CONN) {
			const struct conn *c = (const struct conn *)(word & ~(uintptr_t)3);

			/* One that another thread may promote while we sleep counts too. */
			if (conn_special(c) || (!load_relaxed(&c->never) && !__libc_single_threaded))
				return true;
			/* A peer on another host may be found meanwhile, by a thread of ours. */
			if (__builtin_expect(c->rsocket.iomap_size, 0) && !load_relaxed(&c->maps_settled) &&
			    !load_relaxed(&c->over))
				return true;
		}
	}
	return false;
}

/* Whether what C's end of TCP has to say may wait: nothing but an end. */
static bool only_rings(struct conn *c, short events)
{
	return conn_recv_stage(c) == STAGE_RING && conn_send_stage(c) == STAGE_RING && !(events & POLLPRI) &&
	       !stream_due_to_look(c);
}

/* What a look found besides. */
struct outlook {
	bool ask; /* the kernel may know more */
	bool nap; /* it does not tell all that there will be */
};

/* One round over the connections: fills REVENTS for those that are special, and KERNEL's entry for everything. Returns how many
 * are ready. ANNOUNCE: the thread's sleeper is announced: it is put into what the peers ring. */
static int poll_look(const struct pollfd *fds, struct pollfd *kernel, nfds_t count, bool announce,
		     struct outlook *outlook)
{
	int ready = 0;

	*outlook = (struct outlook){0};
	for (nfds_t i = 0; i < count; i++) {
		struct conn *c;
		struct epset *set;

		kernel[i].fd = fds[i].fd;
		kernel[i].events = fds[i].events;
		kernel[i].revents = 0;
		if (dgram_is(fds[i].fd)) {
			kernel[i].revents = dgram_revents(fds[i].fd, fds[i].events);
			ready += kernel[i].revents != 0;
			outlook->ask = true;
			continue;
		}
		set = fdtab_epset(fds[i].fd);
		if (set)
			epoll_watched(set);
		c = conn_get(fds[i].fd);
		if (!c || !conn_special(c)) {
			if (c)
				conn_put(c);
			outlook->ask |= fds[i].fd >= 0;
			continue;
		}
		if (announce && c->link)
			conn_interest(c, sleeper_bell(&thread_self.sleeper, c->link->own, false));
		resend_look(c);
		kernel[i].revents = conn_revents(c, fds[i].events, load_relaxed(&c->shared->recv_lowat));
		kernel[i].events = conn_kernel_events(c, fds[i].events);
		if (stream_undecided(c)) {
			kernel[i].events &= ~(POLLIN | POLLRDNORM);
			outlook->nap = true;
		}
		if (kernel[i].revents)
			ready++;
		if (!outlook->ask)
			outlook->ask = !only_rings(c, fds[i].events);
		conn_put(c);
	}
	return ready;
}

/* What poll_look found is the answer. */
static void poll_answer(struct pollfd *fds, const struct pollfd *kernel, nfds_t count)
{
	for (nfds_t i = 0; i < count; i++)
		fds[i].revents = kernel[i].revents;
}

/* The kernel's answers for KERNEL are in: turns them into the caller's. */
static int poll_merge(struct pollfd *fds, const struct pollfd *kernel, const short *ours, nfds_t count)
{
	int ready = 0;

	for (nfds_t i = 0; i < count; i++) {
		struct conn *c = conn_get(fds[i].fd);

		fds[i].revents = kernel[i].revents;
		if (dgram_is(fds[i].fd))
			fds[i].revents |= ours[i];
		if (c && conn_special(c)) {
			conn_note_kernel(c, kernel[i].revents);
			fds[i].revents = ours[i];
			if (kernel[i].revents & ~ours[i])
				fds[i].revents = conn_revents(c, fds[i].events, load_relaxed(&c->shared->recv_lowat));
		}
		if (c)
			conn_put(c);
		if (fds[i].revents)
			ready++;
	}
	return ready;
}

/* Interest must be in place before the announcement, so bells are claimed first. False: no bell, sleep in naps. */
static bool poll_prepare(const struct pollfd *fds, nfds_t count)
{
	bool bells = thread_ready_to_sleep() == 0;

	for (nfds_t i = 0; i < count && bells; i++) {
		struct conn *c = conn_get(fds[i].fd);

		if (c && conn_special(c) && c->link) {
			int bell = sleeper_bell(&thread_self.sleeper, c->link->own, false);

			conn_interest(c, bell);
			bells = bell >= 0;
		}
		if (c)
			conn_put(c);
	}
	return bells;
}

static bool spin_for_many(const struct pollfd *fds, nfds_t count, const sigset_t *mask)
{
	uint64_t end, handlers = thread_self.handlers;

	/* With a signal mask of its own only the kernel can wait. */
	if (mask || !spin_worth(settings()->polling_time))
		return false;
	for (end = spin_end(); clock_ticks() < end;) {
		for (nfds_t i = 0; i < count; i++) {
			struct conn *c = conn_get(fds[i].fd);
			bool news = c ? conn_special(c) && can_spin_for(c, fds[i].events) &&
						    ring_news(c, fds[i].events, load_relaxed(&c->shared->recv_lowat))
				      : (fds[i].events & POLLIN) && dgram_is(fds[i].fd) && dgram_news(fds[i].fd);

			if (c)
				conn_put(c);
			if (news) {
				spin_result(true);
				return true;
			}
		}
		if (thread_self.handlers != handlers)
			return true;
		cpu_relax();
	}
	spin_result(false);
	return false;
}

static void naps_begin(const struct pollfd *fds, struct dgram_nap *naps, nfds_t count)
{
	for (nfds_t i = 0; i < count; i++) {
		naps[i].d = NULL;
		if (dgram_is(fds[i].fd))
			dgram_nap(fds[i].fd, &naps[i]);
	}
}

static void naps_end(struct dgram_nap *naps, nfds_t count)
{
	for (nfds_t i = 0; i < count; i++)
		dgram_nap_end(&naps[i]);
}

/* What poll_loop needs an array of. */
struct poll_work {
	struct pollfd *kernel; /* one more: the bell */
	struct dgram_nap *naps;
	short *ours;
};

static int poll_loop(struct pollfd *fds, const struct poll_work *work, nfds_t count, int64_t timeout_ns,
		     const sigset_t *mask)
{
	static const struct timespec zero;
	struct pollfd *kernel = work->kernel;
	short *ours = work->ours;
	uint64_t deadline = timeout_ns > 0 ? clock_monotonic() + (uint64_t)timeout_ns : 0;
	uint64_t handlers = thread_self.handlers;

	for (bool spun = false;; spun = true) {
		struct timespec left, *timeout = NULL;
		uint32_t pages = 0;
		struct outlook outlook;
		bool bells, rung, placing = placement_work();
		int n, error, ready = poll_look(fds, kernel, count, false, &outlook);

		if (!ready && timeout_ns && !placing) {
			if (!spun && spin_for_many(fds, count, mask))
				ready = poll_look(fds, kernel, count, false, &outlook);
			if (thread_self.handlers != handlers)
				return -EINTR;
		}
		if ((ready || timeout_ns == 0) && !outlook.ask) {
			poll_answer(fds, kernel, count);
			return ready;
		}
		/* Otherwise the sleep asks the kernel. */
		if (ready || timeout_ns == 0 || placing) {
			for (nfds_t i = 0; i < count; i++)
				ours[i] = kernel[i].revents;
			n = (int)sys_call5(SYS_ppoll, kernel, count, &zero, NULL, 8);
			if (n < 0 && n != -EINTR)
				return n;
			n = poll_merge(fds, kernel, ours, count);
			if (n || timeout_ns == 0)
				return n;
		}
		if (placing) {
			if (thread_self.handlers != handlers)
				return -EINTR;
			if (deadline && clock_monotonic() >= deadline)
				return 0;
			continue;
		}

		critical_enter();
		bells = poll_prepare(fds, count);
		if (bells)
			pages = sleeper_announce(&thread_self.sleeper);
		store_relaxed(&thread_self.polling, 1);
		full_barrier();
		naps_begin(fds, work->naps, count);
		n = poll_look(fds, kernel, count, bells, &outlook);
		/* A connection that was promoted just now brought a bell of another page, which is not announced. */
		if (n || (bells && pages != thread_self.sleeper.pages)) {
			store_relaxed(&thread_self.polling, 0);
			if (bells)
				sleeper_awake(&thread_self.sleeper, pages, false);
			naps_end(work->naps, count);
			critical_exit();
			continue;
		}
		outlook.nap |= !bells;
		if (deadline || outlook.nap) {
			uint64_t now = clock_monotonic(), ns = deadline > now ? deadline - now : 0;

			if (outlook.nap && (!deadline || ns > NAP_NS))
				ns = NAP_NS;
			left.tv_sec = (time_t)(ns / 1000000000);
			left.tv_nsec = (long)(ns % 1000000000);
			timeout = &left;
		}
		kernel[count].fd = bells ? thread_self.sleeper.fd : -1;
		kernel[count].events = POLLIN;
		kernel[count].revents = 0;
		if (bells)
			thread_self.asleep_on = &thread_self.sleeper;
		critical_exit();
		n = kernel_ppoll(kernel, count + 1, timeout, mask);
		error = n < 0 ? -errno : 0;
		thread_self.asleep_on = NULL;
		critical_enter();
		store_relaxed(&thread_self.polling, 0);
		rung = n > 0 && kernel[count].revents;
		if (bells)
			sleeper_awake(&thread_self.sleeper, pages, rung);
		naps_end(work->naps, count);
		critical_exit();
		if (error < 0)
			return error;
		if (n == 0)
			for (nfds_t i = 0; i < count; i++)
				kernel[i].revents = 0;
		memset(ours, 0, count * sizeof *ours);
		n = poll_merge(fds, kernel, ours, count);
		if (n)
			return n;
		if (thread_self.handlers != handlers)
			return -EINTR;
		if (deadline && clock_monotonic() >= deadline) {
			n = poll_look(fds, kernel, count, false, &outlook);
			poll_answer(fds, kernel, count);
			return n;
		}
	}
}

int poll_wait(struct pollfd *fds, nfds_t count, int64_t timeout_ns, const sigset_t *mask)
{
	struct pollfd local[LOCAL_FDS + 1];
	struct dgram_nap local_naps[LOCAL_FDS];
	short local_ours[LOCAL_FDS];
	struct poll_work work = {local, local_naps, local_ours};
	size_t size = (count + 1) * (sizeof *work.naps + sizeof *work.kernel + sizeof *work.ours);
	int n;

	if (count > LOCAL_FDS) {
		/* Not malloc: poll may be called from a signal handler. */
		void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (map == MAP_FAILED)
			return -ENOMEM;
		work.naps = map;
		work.kernel = (struct pollfd *)(work.naps + count + 1);
		work.ours = (short *)(work.kernel + count + 1);
	}
	n = poll_loop(fds, &work, count, timeout_ns, mask);
	if (work.kernel != local)
		kernel_unmap(work.naps, size);
	return n;
}
