/* Waiting on epoll sets that watch promoted connections. DESIGN NOTES. Who is ready is found by ready bits (link.c): a producer sets its
 * connection's bit, a wait takes the bits and queues the registrations they mean, then looks at each queued one. Level-triggered ones stay
 * queued until they are found idle, edge-triggered ones leave at once and come back with the next bit. A wait costs what is
 * ready, never what is registered. All of it is under the readiness lock, which nobody holds while asleep. */
#include "epoll_set.h"
#include "fdtab.h"
#include "kernel.h"
#include "placement.h"
#include "poll.h"
#include "promote.h"
#include "resend.h"
#include "stream.h"

#include <errno.h>

#define FORKED_NAP_NS 10000000 /* longest sleep on a set that another process made */
#define REFRESHES \
	4 /* looks at a watched set whose peers keep ringing for nothing; then it may be readable without an event */
#define END_EVENTS (EPOLLRDHUP | EPOLLHUP | EPOLLERR)

/* 1: a connection owes its peer bytes by TCP. Sending them takes the send lock, under which others come for the readiness lock: it waits
 * until that is free. */
static uint32_t resends;

/* --- the ready queue --- */

void reg_queue(struct reg *r)
{
	struct epset *set = r->set;

	if (r->queued || r->disabled || r->dormant)
		return;
	r->queued = true;
	r->next = NULL;
	r->prev = set->tail;
	if (set->tail)
		set->tail->next = r;
	else
		set->head = r;
	set->tail = r;
	set->queued++;
}

void reg_unqueue(struct reg *r)
{
	struct epset *set = r->set;

	if (!r->queued)
		return;
	r->queued = false;
	if (r->prev)
		r->prev->next = r->next;
	else
		set->head = r->next;
	if (r->next)
		r->next->prev = r->prev;
	else
		set->tail = r->prev;
	set->queued--;
}

void reg_queue_and_wake(struct reg *r, bool by_peer)
{
	reg_queue(r);
	if (r->set->asleep || (r->set->watched && !by_peer))
		sleeper_ring(&r->set->sleeper);
}

/* A look at R from here on has seen this. */
static void note_seen(struct reg *r)
{
	if (!load_acquire(&r->conn->attached))
		return;
	r->seen_tail = load_acquire(&conn_peer(r->conn)->tail);
	r->seen_room = load_acquire(&r->conn->shared->room_calls);
	if ((r->events & EPOLLET) && (r->seen_tail & TAIL_CLOSED))
		promote_received(conn_fd(r->conn), &r->seen_tcp);
}

/* Whether the kernel's EVENTS say again what a look at R has seen: a registration that it was told anew about reports what is ready. */
static bool repeats(struct reg *r, uint32_t events)
{
	uint64_t received;

	if (!(r->events & EPOLLET))
		return false;
	if (!(events & ~r->ended))
		return true;
	return !r->unheard && conn_recv_stage(r->conn) == STAGE_RETURNED &&
	       !(events & ~(r->ended | (uint32_t)(EPOLLIN | EPOLLRDNORM))) && r->seen_tcp &&
	       promote_received(conn_fd(r->conn), &received) == 0 && received == r->seen_tcp;
}

/* What a wake-up of the kernel's would say: data wakes who asked for data, room who asked for room, an end everybody. */
static uint32_t news_of(struct reg *r)
{
	struct conn *c = r->conn;
	uint32_t lowat = load_relaxed(&c->shared->recv_lowat);
	uint64_t tail = load_acquire(&conn_peer(c)->tail), changed = tail ^ r->seen_tail;
	uint32_t calls = load_acquire(&c->shared->room_calls), news = 0;
	/* Shut both ways it takes no more bytes, and wakes nobody for them. */
	bool deaf = load_relaxed(&c->shared->shut_recv) && load_relaxed(&c->shared->shut_send);

	if ((changed & TAIL_FLAGS) && !(r->ended & EPOLLHUP))
		return ~0u;
	/* Below the low-water mark the kernel wakes nobody. */
	if ((changed & ~TAIL_FLAGS) && !deaf && (lowat <= 1 || stream_readable(c) >= lowat))
		news |= EPOLL_MARK_DATA;
	if (calls != r->seen_room && load_acquire(&conn_own(c)->want_space) != 1) {
		r->seen_room = calls;
		news |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
	}
	r->seen_tail = tail;
	return news;
}

/* The peer set C's bit. */
static void mark_conn(struct conn *c)
{
	if (resend_due(c))
		store_relaxed(&resends, 1);
	for (struct reg *r = c->regs; r; r = r->conn_next)
		if (r->tagged && (!(r->events & EPOLLET) || (news_of(r) & r->events)))
			reg_queue_and_wake(r, true);
}

static bool any_news(void)
{
	uint32_t me = process_pid();

	for (struct link *link = links; link; link = link->next)
		if (link->owner_pid == me && link_has_news(link))
			return true;
	return false;
}

/* Whether R's connection has news that neither a bit nor the kernel tells: what rings carry over a link that is not ours, or over none; of a set
 * that another process made too, which may have heard it all. */
static bool silent(const struct reg *r)
{
	enum stage recv = conn_recv_stage(r->conn);

	return !link_is_ours(r->conn) && (conn_sends(r->conn) || recv == STAGE_MOVING || recv == STAGE_RING ||
					  r->set->owner_pid != process_pid());
}

/* Bits into queues, those of other sets included: whoever takes a bit passes it on. */
static void drain_links(struct epset *set)
{
	uint32_t me = process_pid();

	for (struct link *link = links; link; link = link->next)
		if (link->owner_pid == me && link_has_news(link))
			link_drain(link, mark_conn);
	for (uint32_t i = 0; set->foreign && i < set->table_size; i++)
		if (set->table[i] && set->table[i]->tagged && silent(set->table[i]))
			reg_queue(set->table[i]);
}

/* The second look of a set that has no bits to look at. */
static bool foreign_ready(struct epset *set)
{
	drain_links(set);
	for (struct reg *r = set->head; r; r = r->next)
		if (conn_revents(r->conn, (short)r->events, load_relaxed(&r->conn->shared->recv_lowat)))
			return true;
	return false;
}

/* --- sets that are watched themselves --- */

/* Whether a queued connection of SET is ready; the others leave the queue. */
static bool any_ready(struct epset *set)
{
	struct reg *r, *next;
	bool ready = false;

	for (r = set->head; r; r = next) {
		next = r->next;
		if (conn_revents(r->conn, (short)r->events, load_relaxed(&r->conn->shared->recv_lowat)))
			ready = true;
		else
			reg_unqueue(r);
	}
	return ready;
}

/* Makes the descriptor of a watched set readable if one of its queued connections is, and not readable if none is. */
static void refresh(struct epset *set)
{
	if (!set->special || set->sleeper.fd <= 0)
		return;
	for (int turn = 0; turn < REFRESHES; turn++) {
		/* Rung from now on for whatever comes from now on: for a watch on edges each arrival is one. */
		sleeper_rearm(&set->sleeper);
		drain_links(set);
		if (any_ready(set))
			break;
		/* What is taken out may have rung for something that came after the look. */
		if (!sleeper_empty(&set->sleeper))
			return;
	}
	if (!kernel_poll_now(set->sleeper.fd, POLLIN))
		sleeper_ring(&set->sleeper);
}

void epset_watch(struct epset *set)
{
	if (!set->watched) {
		set->watched = true;
		sleeper_announce(&set->sleeper);
	}
	refresh(set);
}

void epoll_watched(struct epset *set)
{
	critical_enter();
	readiness_take();
	if (!set->closed)
		epset_watch(set);
	readiness_drop();
	critical_exit();
}

/* --- waiting --- */

/* Looks at what is queued, each once a round. Returns how many events were put into EVENTS. */
static int collect(struct epset *set, struct epoll_event *events, int max)
{
	uint32_t left = set->queued;
	int n = 0;

	while (left-- && n < max) {
		struct reg *r = set->head;
		uint32_t revents;

		reg_unqueue(r);
		if (r->round == set->round) {
			reg_queue(r); /* reported in this round already */
			continue;
		}
		if (reg_taken_over(r))
			continue;
		note_seen(r);
		if (resend_due(r->conn))
			store_relaxed(&resends, 1);
		r->unheard = false;
		revents = (uint16_t)conn_revents(r->conn, (short)(r->events | EPOLLRDHUP),
						 load_relaxed(&r->conn->shared->recv_lowat));
		r->ended = revents & END_EVENTS;
		/* A notice is no end. */
		if (!load_relaxed(&r->conn->shared->tcp_event))
			r->ended &= ~(uint32_t)EPOLLERR;
		revents &= r->events | EPOLLERR | EPOLLHUP;
		if (!revents)
			continue;
		events[n].events = revents;
		events[n++].data = r->data;
		r->round = set->round;
		if (r->events & EPOLLONESHOT) {
			r->disabled = true;
			/* The look may have queued it anew: a direction that went back to TCP. */
			reg_unqueue(r);
			if (r->mask != reg_kernel_mask(r) && fdtab_conn(r->fd) == r->conn) {
				r->mask = reg_kernel_mask(r);
				reg_kernel_set(r, EPOLL_CTL_MOD);
			}
		} else if (!(r->events & EPOLLET)) {
			reg_queue(r);
		}
	}
	return n;
}

/* Sorts the kernel's N events: the program's stay, ours are understood. Returns how many stay. */
static int sift(struct epset *set, struct epoll_event *events, int n)
{
	int kept = 0;

	for (int i = 0; i < n; i++) {
		uint64_t data = events[i].data.u64;
		uint32_t index = data & INDEX_MAX;
		struct reg *r;
		uint32_t news = events[i].events;

		if ((data & ~(uint64_t)INDEX_MAX) != set->tag) {
			events[kept++] = events[i];
			continue;
		}
		if (index == BELL_INDEX) {
			if (!set->watched) {
				sleeper_heard(&set->sleeper);
				continue;
			}
			sleeper_empty(&set->sleeper);
			sleeper_rearm(&set->sleeper);
			continue;
		}
		r = index < set->table_size ? set->table[index] : NULL;
		if (!r || reg_taken_over(r))
			continue;
		if (!r->tagged) {
			r->disabled = true; /* one-shot: the kernel disarmed it */
			events[kept].events = events[i].events;
			events[kept++].data = r->data;
			continue;
		}
		conn_note_kernel(r->conn, (int)news);
		/* Where the ring carries it, TCP is readable by its end alone, which has a bit of its own. */
		if ((news & END_EVENTS) && conn_recv_stage(r->conn) == STAGE_RING)
			news &= ~(uint32_t)(EPOLLIN | EPOLLRDNORM);
		if (!repeats(r, news))
			reg_queue(r);
	}
	return kept;
}

static int kernel_wait(int epfd, struct epoll_event *events, int max, int64_t timeout_ns, const sigset_t *mask)
{
	int n, ms;

	if (timeout_ns > 0 && timeout_ns % 1000000) {
		struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};

		n = kernel_epoll_pwait2(epfd, events, max, &timeout, mask);
		if (n >= 0 || errno != ENOSYS)
			return n < 0 ? -errno : n;
	}
	ms = timeout_ns < 0                      ? -1
	     : timeout_ns / 1000000 >= INT32_MAX ? INT32_MAX
						 : (int)((timeout_ns + 999999) / 1000000);
	n = kernel_epoll_pwait(epfd, events, max, ms, mask);
	return n < 0 ? -errno : n;
}

/* Spins until something shows up in shared memory. True: it did, or a handler ran. The lock is not held. */
static bool spin_for_news(struct epset *set)
{
	uint64_t handlers = thread_self.handlers;
	uint64_t end = clock_ticks() + (uint64_t)settings()->polling_time * clock_ticks_us;

	do {
		bool news;

		critical_enter();
		readiness_take();
		news = set->queued || any_news();
		for (int i = 0; i < 20 && !news; i++) {
			cpu_relax();
			news = any_news();
		}
		readiness_drop();
		critical_exit();
		if (news || thread_self.handlers != handlers) {
			spin_result(true);
			return true;
		}
	} while (clock_ticks() < end);
	spin_result(false);
	return false;
}

/* One look at everything, without sleeping; SLEEPS: the kernel will be asked by the sleep that follows, unless something is ready. Lock
 * held. */
static int look(struct epset *set, int epfd, struct epoll_event *events, int max, bool sleeps)
{
	int n, k, share;

	set->round++;
	for (int i = 0; i < NESTED_MAX; i++)
		if (set->nested[i])
			refresh(set->nested[i]);
	drain_links(set);
	if (sleeps && !set->queued)
		return 0;
	/* The kernel first: its news of a connection's end changes what is said of the connection. Half the places at most are
	 * its own while connections wait for theirs; of a single place they take turns. */
	share = set->queued ? max / 2 + (max == 1 && set->round % 2) : max;
	k = share ? (int)sys_call6(SYS_epoll_pwait, epfd, (long)events, share, 0, 0, 8) : 0;
	if (k < 0 && k != -EINTR)
		return k;
	n = k > 0 ? sift(set, events, k) : 0;
	/* A bell that sift emptied stood for bits set since the last look. */
	if (k > n)
		drain_links(set);
	if (n < max)
		n += collect(set, events + n, max - n);
	return n;
}

static bool has_nested(const struct epset *set)
{
	for (int i = 0; i < NESTED_MAX; i++)
		if (set->nested[i])
			return true;
	return false;
}

static void resend_all(void)
{
	store_relaxed(&resends, 0);
	critical_enter();
	resend_each();
	critical_exit();
}

int epoll_wait_any(struct epset *set, int epfd, struct epoll_event *events, int max, int64_t timeout_ns,
		   const sigset_t *mask)
{
	uint64_t deadline = timeout_ns > 0 ? clock_monotonic() + (uint64_t)timeout_ns : 0,
		 handlers = thread_self.handlers;
	bool spun = false, napped = false, placing = placement_work();
	int n;

	critical_enter();
	readiness_take();
	if (max <= 0 || max > INT32_MAX / (int)sizeof *events || !events || set->closed) {
		readiness_drop();
		critical_exit();
		return kernel_wait(epfd, events, max, 0, mask);
	}
	set->users++;
	for (;;) {
		int64_t left_ns = timeout_ns;
		bool announced = false, spins;
		uint32_t pages = 0;

		if (load_relaxed(&resends)) {
			readiness_drop();
			critical_exit();
			resend_all();
			critical_enter();
			readiness_take();
		}
		if (set->special && set->sleeper.fd <= 0 && set->owner_pid != process_pid())
			for (uint32_t i = 0; i < set->table_size; i++)
				if (set->table[i] && set->table[i]->tagged)
					epset_listen(set, set->table[i]->conn);
		n = 0;
		spins = timeout_ns && set->special && !spun && !mask && spin_worth(settings()->polling_time);
		if (set->special || has_nested(set) || placing) {
			n = look(set, epfd, events, max, timeout_ns && !spins && !placing && !placement_any());
			if (n || timeout_ns == 0)
				break;
			if (thread_self.handlers != handlers) {
				n = -EINTR;
				break;
			}
		}
		if (placing || placement_any()) {
			readiness_drop();
			critical_exit();
			placing = placement_work();
			critical_enter();
			readiness_take();
			if (thread_self.handlers != handlers)
				n = -EINTR;
			if (n || (deadline && clock_monotonic() >= deadline))
				break;
			continue;
		}
		if (spins) {
			bool news;

			spun = true;
			readiness_drop();
			critical_exit();
			news = spin_for_news(set);
			critical_enter();
			readiness_take();
			if (thread_self.handlers != handlers) {
				n = -EINTR;
				break;
			}
			if (news)
				continue;
		}
		if (deadline) {
			uint64_t now = clock_monotonic();

			left_ns = deadline > now ? (int64_t)(deadline - now) : 0;
			if (left_ns == 0 && napped)
				break;
		}
		if (set->special) {
			announced = true;
			pages = sleeper_announce(&set->sleeper);
			if (set->foreign ? foreign_ready(set) : set->queued || any_news() || load_relaxed(&resends)) {
				sleeper_awake(&set->sleeper, pages, false);
				/* A peer may have news all the time, none of which is an event: time and signals go on. */
				readiness_drop();
				critical_exit();
				critical_enter();
				readiness_take();
				napped = true;
				continue;
			}
			if (set->owner_pid != process_pid() && (left_ns < 0 || left_ns > FORKED_NAP_NS))
				left_ns = FORKED_NAP_NS;
		}
		if (announced)
			thread_self.asleep_on = &set->sleeper;
		set->asleep++;
		readiness_drop();
		critical_exit();
		n = kernel_wait(epfd, events, max, left_ns, mask);
		thread_self.asleep_on = NULL;
		critical_enter();
		readiness_take();
		set->asleep--;
		if (set->sleeper.fd > 0)
			sleeper_awake(&set->sleeper, set->sleeper.pages, false);
		napped = true;
		if (n < 0)
			break;
		set->round++;
		if ((set->special || set->labelled) && !set->closed) {
			n = sift(set, events, n);
			drain_links(set);
			if (n < max)
				n += collect(set, events + n, max - n);
		}
		if (n || timeout_ns == 0)
			break;
		if (thread_self.handlers != handlers) {
			n = -EINTR;
			break;
		}
		if (!set->special && !deadline && timeout_ns >= 0)
			break;
		spun = true;
	}
	/* More is ready than was asked for, or a level stays: another sleeper, or the kernel's watch, must hear. */
	if (set->queued && (set->watched || (n == max && set->asleep)))
		sleeper_ring(&set->sleeper);
	set->users--;
	readiness_drop();
	critical_exit();
	if (__builtin_expect(load_relaxed(&resends), 0))
		resend_all();
	return n;
}
