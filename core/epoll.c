/* epoll over promoted connections. DESIGN NOTES. Who is ready is found by ready bits (link.c): a producer sets its
 * connection's bit, a wait takes the bits and queues the registrations they mean, then looks at each queued one. Level-triggered ones stay
 * queued until they are found idle, edge-triggered ones leave at once and come back with the next bit. A wait costs what is
 * ready, never what is registered. All of it is under the readiness lock, which nobody holds while asleep. */
#include "epoll.h"
#include "errqueue.h"
#include "fdtab.h"
#include "kernel.h"
#include "placement.h"
#include "poll.h"
#include "process.h"
#include "promote.h"
#include "resend.h"
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_BITS 20
#define INDEX_MAX ((1u << INDEX_BITS) - 1)
#define BELL_INDEX INDEX_MAX   /* the index that stands for the set's bell */
#define FORKED_NAP_NS 10000000 /* longest sleep on a set that another process made */
#define NESTED_MAX 8
#define REFRESHES \
	4 /* looks at a watched set whose peers keep ringing for nothing; then it may be readable without an event */
#define END_EVENTS (EPOLLRDHUP | EPOLLHUP | EPOLLERR)

struct reg {
	struct epset *set;
	struct conn *conn;
	int fd;          /* as given to epoll_ctl */
	uint32_t events; /* as given */
	epoll_data_t data;
	uint32_t index;
	uint32_t mask; /* what the kernel has, once tagged */
	bool tagged;   /* the kernel reports TAG | index for it, and only the connection's end */
	bool unheard;  /* tagging made the kernel report TCP's state anew, and nobody has looked since */
	bool queued;
	bool disabled; /* EPOLLONESHOT fired */
	bool dormant; /* deleted by the program, once tagged: stays in the kernel, unheard, for the next ADD (many add and
			 * delete with every request) */
	uint32_t ended; /* RDHUP, HUP, ERR as last seen: the same end comes by a bit and from TCP, and is one edge */
	uint64_t
		seen_tail; /* the peer's tail and our calls for room when it was last looked at: a bit does not say what it is for */
	uint32_t seen_room;
	uint64_t seen_tcp; /* edges of a direction that is back on TCP: bytes that TCP had received at that look */
	uint32_t round;    /* the last collection that looked at it */
	struct reg *conn_next;
	struct reg *fd_next;
	struct reg *prev, *next; /* ready queue */
};

struct epset {
	int epfd;
	uint32_t owner_pid;
	uint32_t users;  /* waits under way */
	uint32_t asleep; /* of them, in the kernel: each bell of the set says so, one that it gets meanwhile too */
	bool closed;
	bool special;  /* has tagged registrations, or had */
	bool labelled; /* has untagged registrations that the kernel reports by TAG | index */
	bool foreign;  /* watches connections over links that another process made: no bits for us, look at each */
	bool watched;  /* its descriptor is itself polled or watched */
	uint64_t tag;
	struct sleeper sleeper;
	struct reg **by_fd;
	int by_fd_size;
	struct reg **table; /* by index */
	uint32_t table_size;
	uint32_t table_hint;
	struct reg *head, *tail; /* ready queue */
	uint32_t queued;
	uint32_t round;
	struct epset *nested[NESTED_MAX]; /* sets that this one watches */
	struct epset *next_set;           /* all of them; closed ones are used again */
};

static struct epset *sets;

/* 1: a connection owes its peer bytes by TCP. Sending them takes the send lock, under which others come for the readiness lock: it waits
 * until that is free. */
static uint32_t resends;

/* Whether bits tell us about C; if not, it must be looked at. */
static bool link_is_ours(const struct conn *c)
{
	return c->link && c->link->owner_pid == process_pid();
}

/* --- the ready queue --- */

static void queue(struct reg *r)
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

static void unqueue(struct reg *r)
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

/* Queues and, if the set's waiters sleep, wakes one: they may have looked before. Who watches the set's descriptor in the kernel, a peer
 * rings itself; what this process does to a connection or a registration nobody else tells. */
static void queue_and_wake(struct reg *r, bool by_peer)
{
	queue(r);
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

	if ((changed & TAIL_FLAGS) && !(r->ended & EPOLLHUP))
		return ~0u;
	/* Below the low-water mark the kernel wakes nobody. */
	if ((changed & ~TAIL_FLAGS) && (lowat <= 1 || stream_readable(c) >= lowat))
		news |= EPOLLIN | EPOLLRDNORM;
	if (calls != r->seen_room && load_acquire(&conn_own(c)->want_space) != 1) {
		r->seen_room = calls;
		news |= EPOLLOUT | EPOLLWRNORM;
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
			queue_and_wake(r, true);
}

static bool any_news(void)
{
	uint32_t me = process_pid();

	for (struct link *link = links; link; link = link->next)
		if (link->owner_pid == me && link_has_news(link))
			return true;
	return false;
}

/* Bits into queues, those of other sets included: whoever takes a bit passes it on. */
static void drain_links(struct epset *set)
{
	uint32_t me = process_pid();

	for (struct link *link = links; link; link = link->next)
		if (link->owner_pid == me && link_has_news(link))
			link_drain(link, mark_conn);
	for (uint32_t i = 0; set->foreign && i < set->table_size; i++)
		if (set->table[i] && set->table[i]->tagged && !link_is_ours(set->table[i]->conn))
			queue(set->table[i]);
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

/* --- registrations --- */

static struct reg *find(struct epset *set, int fd, struct conn *c)
{
	struct reg *r = fd < set->by_fd_size ? set->by_fd[fd] : NULL;

	while (r && r->conn != c)
		r = r->fd_next;
	return r;
}

static bool grow(void *array, size_t item, uint32_t *size, uint32_t need)
{
	void **p = array, *bigger;
	uint32_t want = *size ? *size : 64;

	if (need < *size)
		return true;
	while (want <= need)
		want *= 2;
	bigger = realloc(*p, want * item);
	if (!bigger)
		return false;
	memset((char *)bigger + *size * item, 0, (want - *size) * item);
	*p = bigger;
	*size = want;
	return true;
}

static struct reg *reg_new(struct epset *set, struct conn *c, int fd)
{
	struct reg *r = calloc(1, sizeof *r);
	uint32_t i = set->table_hint, fds = (uint32_t)set->by_fd_size;

	if (!r)
		return NULL;
	while (i < set->table_size && set->table[i])
		i++;
	if (i >= BELL_INDEX || !grow(&set->table, sizeof *set->table, &set->table_size, i) ||
	    !grow(&set->by_fd, sizeof *set->by_fd, &fds, (uint32_t)fd)) {
		free(r);
		return NULL;
	}
	set->by_fd_size = (int)fds;
	r->set = set;
	r->conn = c;
	r->fd = fd;
	r->index = i;
	set->table[i] = r;
	set->table_hint = i + 1;
	r->fd_next = set->by_fd[fd];
	set->by_fd[fd] = r;
	r->conn_next = c->regs;
	store_relaxed(&c->regs, r); /* looked at without the lock, too */
	return r;
}

static void reg_free(struct reg *r)
{
	struct epset *set = r->set;
	struct reg **p;

	unqueue(r);
	for (p = &set->by_fd[r->fd]; *p != r; p = &(*p)->fd_next)
		;
	*p = r->fd_next;
	for (p = &r->conn->regs; *p != r; p = &(*p)->conn_next)
		;
	store_relaxed(p, r->conn_next);
	set->table[r->index] = NULL;
	if (r->index < set->table_hint)
		set->table_hint = r->index;
	free(r);
}

/* Whether another process took R over: the kernel reports it to the program as that one said. R is gone then. */
static bool taken_over(struct reg *r)
{
	struct conn_shared *s = r->conn->shared;
	const uint64_t key = r->set->tag | (uint32_t)r->fd;

	if (__builtin_expect(!load_acquire(&s->foreign_epoll), 1))
		return false;
	for (int i = 0; i < FOREIGN_REGS; i++) {
		uint64_t found = key;

		if (compare_swap(&s->foreign_reg[i], &found, 0)) {
			reg_free(r);
			return true;
		}
	}
	return false;
}

/* What the kernel should report for a tagged registration: edges of TCP's part, and always its end. */
static uint32_t kernel_mask(const struct reg *r)
{
	uint32_t mask = EPOLLET | EPOLLRDHUP;

	if (r->disabled || r->dormant)
		return mask;
	mask |= r->events & EPOLLPRI;
	/* Once the ring carries it, nothing may come there; what does must be heard. */
	mask |= conn_recv_stage(r->conn) != STAGE_RING ? r->events & (EPOLLIN | EPOLLRDNORM) : (uint32_t)EPOLLIN;
	if (conn_send_stage(r->conn) != STAGE_RING)
		mask |= r->events & (EPOLLOUT | EPOLLWRNORM);
	if (conn_send_stage(r->conn) == STAGE_OWING)
		mask |= EPOLLOUT;
	return mask;
}

static int kernel_set(struct reg *r, int op)
{
	struct epoll_event event = {.events = r->mask, .data.u64 = r->set->tag | r->index};
	int error = kernel_epoll_ctl(r->set->epfd, op, r->fd, &event);

	if (error == -EINVAL && op == EPOLL_CTL_MOD) {
		/* An EPOLLEXCLUSIVE registration cannot be modified. */
		error = kernel_epoll_ctl(r->set->epfd, EPOLL_CTL_DEL, r->fd, &event);
		if (error == 0)
			error = kernel_epoll_ctl(r->set->epfd, EPOLL_CTL_ADD, r->fd, &event);
	}
	return error;
}

/* The set gets a bell that C's peer rings. */
static bool listen_to(struct epset *set, struct conn *c)
{
	int bell;

	if (set->sleeper.fd <= 0) {
		/* In a forked child's copy the parent's waits meet this bell too, and cannot empty it: an edge is enough. */
		uint32_t edge = set->owner_pid == process_pid() ? 0 : EPOLLET;
		struct epoll_event event = {.events = EPOLLIN | edge, .data.u64 = set->tag | BELL_INDEX};

		if (sleeper_init(&set->sleeper) < 0)
			return false;
		if (kernel_epoll_ctl(set->epfd, EPOLL_CTL_ADD, set->sleeper.fd, &event) < 0) {
			sleeper_fini(&set->sleeper);
			return false;
		}
		set->special = true;
	}
	if (!c->link)
		return true;
	for (uint32_t i = 0; i < set->sleeper.pages; i++)
		if (set->sleeper.in[i].page == c->link->own)
			goto known;
	bell = sleeper_bell(&set->sleeper, c->link->own, true);
	if (bell < 0)
		return false;
	/* Whoever sleeps now could not announce on this bell; a set that the kernel watches never wakes. */
	fetch_add(&c->link->own->map->bell[bell].state,
		  BELL_ONE_TURN + (set->asleep + set->watched) * BELL_ONE_SLEEPER);
known:
	store_relaxed(&conn_own(c)->epoll, 1);
	conn_interest(c, sleeper_bell(&set->sleeper, c->link->own, true));
	return true;
}

static bool tag_reg(struct reg *r, int op)
{
	if (!listen_to(r->set, r->conn))
		return false;
	r->mask = kernel_mask(r);
	if (kernel_set(r, op) < 0)
		return false;
	r->tagged = true;
	r->unheard = true;
	r->set->foreign |= !link_is_ours(r->conn);
	return true;
}

bool epoll_convert(struct conn *c)
{
	bool ok = true;

	if (!load_relaxed(&c->regs))
		return true;
	readiness_take();
	for (struct reg *r = c->regs; r; r = r->conn_next)
		ok &= r->tagged || fdtab_conn(r->fd) == c;
	for (struct reg *r = c->regs; r && ok; r = r->conn_next) {
		if (r->tagged)
			continue;
		ok = tag_reg(r, EPOLL_CTL_MOD);
		/* What the kernel would have told of it, it tells no more: they look themselves. */
		if (ok)
			sleeper_ring(&r->set->sleeper);
	}
	readiness_drop();
	return ok;
}

void epoll_sync(struct conn *c)
{
	if (!load_relaxed(&c->regs))
		return;
	readiness_take();
	for (struct reg *r = c->regs; r; r = r->conn_next) {
		uint32_t mask = kernel_mask(r);

		if (!r->tagged)
			continue;
		if (mask != r->mask && fdtab_conn(r->fd) == c) {
			r->mask = mask;
			kernel_set(r, EPOLL_CTL_MOD);
		}
		/* A level must not be missed; an edge comes with the event that makes it, or was taken from the kernel just now. */
		if (!(r->events & EPOLLET) || r->unheard)
			queue_and_wake(r, false);
	}
	readiness_drop();
}

void epoll_mark(struct conn *c, uint32_t events)
{
	if (!load_relaxed(&c->regs))
		return;
	readiness_take();
	for (struct reg *r = c->regs; r; r = r->conn_next)
		if (r->tagged && (!(r->events & EPOLLET) || (events & (r->events | EPOLLERR | EPOLLHUP))))
			queue_and_wake(r, false);
	readiness_drop();
}

/* What the kernel is given for an untagged registration. One-shot ones carry our label from the start: only then do we know, when
 * the connection is promoted, whether the shot was fired. */
static struct epoll_event kernel_event(struct reg *r, const struct epoll_event *event)
{
	struct epoll_event labelled = *event;

	if (event->events & EPOLLONESHOT) {
		labelled.data.u64 = r->set->tag | r->index;
		r->set->labelled = true;
	}
	return labelled;
}

void epoll_again(struct conn *c)
{
	if (!load_relaxed(&c->regs))
		return;
	readiness_take();
	for (struct reg *r = c->regs; r; r = r->conn_next) {
		struct epoll_event event = {.events = r->events, .data = r->data};

		if (r->tagged) {
			queue_and_wake(r, false);
		} else if (!r->disabled && fdtab_conn(r->fd) == c) {
			/* The kernel looks anew at what is modified. */
			event = kernel_event(r, &event);
			kernel_epoll_ctl(r->set->epfd, EPOLL_CTL_MOD, r->fd, &event);
		}
	}
	readiness_drop();
}

void epoll_forget_conn(struct conn *c)
{
	if (!load_relaxed(&c->regs))
		return;
	readiness_take();
	while (c->regs)
		reg_free(c->regs);
	readiness_drop();
}

/* --- sets --- */

void epoll_new(int epfd)
{
	struct epset *set;

	if (fdtab_kind(epfd) == FD_EPOLL)
		epoll_close(fdtab_epset(epfd), epfd);
	critical_enter();
	lock_take(&fdtab_lock);
	readiness_take();
	for (set = sets; set; set = set->next_set)
		if (set->closed && !set->users)
			break;
	if (!set && (set = calloc(1, sizeof *set))) {
		set->next_set = sets;
		sets = set;
	}
	if (set) {
		struct epset *next = set->next_set;

		memset(set, 0, sizeof *set);
		set->next_set = next;
		set->epfd = epfd;
		set->owner_pid = process_pid();
		kernel_random(&set->tag, sizeof set->tag);
		/* Not a number or pointer that a program would use: the top bit is set. */
		set->tag = (set->tag | 1ull << 63) & ~(uint64_t)INDEX_MAX;
		fdtab_set(epfd, FD_EPOLL, set);
	}
	readiness_drop();
	lock_drop(&fdtab_lock);
	critical_exit();
}

void epoll_close(struct epset *set, int epfd)
{
	bool last = true;

	critical_enter();
	lock_take(&fdtab_lock);
	readiness_take();
	if (fdtab_epset(epfd) == set) {
		fdtab_set(epfd, FD_NONE, NULL);
		for (int fd = 0; fd <= fdtab_top() && set->epfd == epfd; fd++)
			if (fdtab_epset(fd) == set) {
				set->epfd = fd;
				last = false;
			}
		if (set->epfd != epfd)
			last = false;
		if (last && !set->closed) {
			for (uint32_t i = 0; i < set->table_size; i++)
				if (set->table[i])
					reg_free(set->table[i]);
			free(set->table);
			free(set->by_fd);
			set->table = NULL;
			set->by_fd = NULL;
			set->table_size = 0;
			set->by_fd_size = 0;
			sleeper_fini(&set->sleeper);
			for (struct epset *outer = sets; outer; outer = outer->next_set)
				for (int i = 0; i < NESTED_MAX; i++)
					if (outer->nested[i] == set)
						outer->nested[i] = NULL;
			set->closed = true;
		}
	}
	readiness_drop();
	lock_drop(&fdtab_lock);
	critical_exit();
}

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
			unqueue(r);
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

static void watch(struct epset *set)
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
		watch(set);
	readiness_drop();
	critical_exit();
}

/* A tagged registration needs the kernel only if what it must report of TCP changes. */
static int control_tagged(struct reg *r, int op, const struct epoll_event *event)
{
	uint32_t mask;

	if (r->dormant ? op != EPOLL_CTL_ADD : op == EPOLL_CTL_ADD)
		return r->dormant ? -ENOENT : -EEXIST;
	if (op == EPOLL_CTL_DEL) {
		r->dormant = true;
		unqueue(r);
	} else {
		if (op == EPOLL_CTL_MOD && ((r->events | event->events) & EPOLLEXCLUSIVE))
			return -EINVAL;
		r->events = event->events;
		r->data = event->data;
		r->disabled = r->dormant = false;
	}
	mask = kernel_mask(r);
	if (mask != r->mask) {
		int error;

		r->mask = mask;
		error = kernel_set(r, EPOLL_CTL_MOD);
		if (error < 0)
			return error;
	}
	if (op != EPOLL_CTL_DEL)
		queue_and_wake(r, false);
	return 0;
}

static int control_add(struct epset *set, struct conn *c, int fd, struct epoll_event *event)
{
	struct reg *r = reg_new(set, c, fd);
	struct epoll_event labelled;
	int error;

	if (!r)
		return -ENOMEM;
	r->events = event->events;
	r->data = event->data;
	labelled = kernel_event(r, event);
	/* As the program has it first: the kernel's errors are the answer. */
	error = kernel_epoll_ctl(set->epfd, EPOLL_CTL_ADD, fd, &labelled);
	if (error < 0) {
		reg_free(r);
		return error;
	}
	/* Registered, then looked at: a commit stores its stage, then converts what is registered. */
	full_barrier();
	if (!conn_special(c))
		return 0;
	if (!tag_reg(r, EPOLL_CTL_MOD)) {
		reg_free(r);
		kernel_epoll_ctl(set->epfd, EPOLL_CTL_DEL, fd, event);
		return -ENOMEM;
	}
	queue_and_wake(r, false);
	return 0;
}

static int control_locked(struct epset *set, int epfd, int op, int fd, struct epoll_event *event)
{
	struct conn *c = fdtab_conn(fd);
	struct reg *r = c ? find(set, fd, c) : NULL;
	int error;

	if (r && taken_over(r))
		r = NULL;
	if (!c || (!r && load_acquire(&c->shared->foreign_epoll)) || (op != EPOLL_CTL_DEL && !event) || set->closed) {
		struct epset *inner = fdtab_epset(fd);

		error = kernel_epoll_ctl(epfd, op, fd, event);
		for (int i = 0; inner && inner != set && error == 0 && i < NESTED_MAX; i++) {
			if (op == EPOLL_CTL_DEL && set->nested[i] == inner)
				set->nested[i] = NULL;
			if (op == EPOLL_CTL_ADD && !set->nested[i]) {
				set->nested[i] = inner;
				watch(inner);
				break;
			}
		}
		return error;
	}
	if (r && r->tagged && (op == EPOLL_CTL_ADD || op == EPOLL_CTL_MOD || op == EPOLL_CTL_DEL))
		return control_tagged(r, op, event);
	if (op == EPOLL_CTL_DEL) {
		error = kernel_epoll_ctl(epfd, op, fd, event);
		if (error == 0 && r)
			reg_free(r);
		return error;
	}
	if (op == EPOLL_CTL_ADD && !r)
		return control_add(set, c, fd, event);
	if (r) {
		struct epoll_event labelled = kernel_event(r, event);

		error = kernel_epoll_ctl(epfd, op, fd, &labelled);
	} else {
		error = kernel_epoll_ctl(epfd, op, fd, event);
	}
	if (error == 0 && r) {
		r->events = event->events;
		r->data = event->data;
		r->disabled = false;
	}
	return error;
}

/* SET is another process's, and its table there does not learn of what we do here: the connection goes back to TCP first, where the
 * kernel's table is all there is to know. */
static int control_inherited(struct epset *set, struct conn *c, int epfd, int op, int fd, struct epoll_event *event)
{
	struct conn_shared *s = c->shared;
	struct reg *r;
	int error;

	exchange(&s->foreign_epoll, 1);
	promote_return(c, REASON_EPOLL_STALE);
	readiness_take();
	r = find(set, fd, c);
	/* What was deleted and sleeps on is not there for the program. */
	if (r && r->dormant)
		error = op == EPOLL_CTL_ADD ? kernel_epoll_ctl(epfd, EPOLL_CTL_MOD, fd, event) : -ENOENT;
	else
		error = kernel_epoll_ctl(epfd, op, fd, event);
	if (error == 0 && r)
		reg_free(r);
	for (int i = 0; error == 0 && i < FOREIGN_REGS; i++) {
		uint64_t unused = 0, key = set->tag | (uint32_t)fd;

		if (load_relaxed(&s->foreign_reg[i]) == key || compare_swap(&s->foreign_reg[i], &unused, key))
			break;
	}
	readiness_drop();
	return error;
}

int epoll_control(struct epset *set, int epfd, int op, int fd, struct epoll_event *event)
{
	struct conn *c;
	int error;

	if (set->owner_pid != process_pid() && (event || op == EPOLL_CTL_DEL) && (c = conn_get(fd))) {
		error = control_inherited(set, c, epfd, op, fd, event);
		conn_put(c);
		return error;
	}
	critical_enter();
	readiness_take();
	error = control_locked(set, epfd, op, fd, event);
	readiness_drop();
	critical_exit();
	return error;
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

		unqueue(r);
		if (r->round == set->round) {
			queue(r); /* reported in this round already */
			continue;
		}
		if (taken_over(r))
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
			unqueue(r);
			if (r->mask != kernel_mask(r) && fdtab_conn(r->fd) == r->conn) {
				r->mask = kernel_mask(r);
				kernel_set(r, EPOLL_CTL_MOD);
			}
		} else if (!(r->events & EPOLLET)) {
			queue(r);
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
		if (!r || taken_over(r))
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
			queue(r);
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

/* One look at everything, without sleeping. Lock held. */
static int look(struct epset *set, int epfd, struct epoll_event *events, int max)
{
	int n, k, share;

	set->round++;
	for (int i = 0; i < NESTED_MAX; i++)
		if (set->nested[i])
			refresh(set->nested[i]);
	drain_links(set);
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
		bool announced = false;
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
					listen_to(set, set->table[i]->conn);
		n = 0;
		if (set->special || has_nested(set) || placing) {
			n = look(set, epfd, events, max);
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
		if (set->special && !spun && !mask && spin_worth()) {
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

void epoll_forked(void)
{
	/* The sets are still shared with the parent, their bells are its own. */
	for (struct epset *set = sets; set; set = set->next_set) {
		if (set->sleeper.fd > 0)
			own_fd_close(set->sleeper.fd);
		memset(&set->sleeper, 0, sizeof set->sleeper);
		set->users = set->asleep = 0;
		set->watched = false;
		set->foreign = set->special;
	}
}
