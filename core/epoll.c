/* The books of epoll sets: which connections each watches, for what, and what the kernel was told of it. epoll_wait.c finds who is ready. */
#include "epoll_set.h"
#include "fdtab.h"
#include "kernel.h"
#include "promote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct epset *sets;

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

	reg_unqueue(r);
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

bool reg_taken_over(struct reg *r)
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

uint32_t reg_kernel_mask(const struct reg *r)
{
	bool ring = conn_recv_stage(r->conn) == STAGE_RING;
	/* Once the ring carries it, nothing may come there; what does must be heard. Also while the program does not listen, which many say
	 * and take back with every request: the kernel need not be told. */
	uint32_t mask = EPOLLET | EPOLLRDHUP | (ring ? (uint32_t)EPOLLIN : 0);

	if (r->disabled || r->dormant)
		return mask;
	mask |= r->events & EPOLLPRI;
	if (!ring)
		mask |= r->events & (EPOLLIN | EPOLLRDNORM);
	if (conn_send_stage(r->conn) != STAGE_RING)
		mask |= r->events & (EPOLLOUT | EPOLLWRNORM);
	if (conn_send_stage(r->conn) == STAGE_OWING)
		mask |= EPOLLOUT;
	return mask;
}

int reg_kernel_set(struct reg *r, int op)
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

bool epset_listen(struct epset *set, struct conn *c)
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
	if (!epset_listen(r->set, r->conn))
		return false;
	r->mask = reg_kernel_mask(r);
	if (reg_kernel_set(r, op) < 0)
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
		uint32_t mask = reg_kernel_mask(r);

		if (!r->tagged)
			continue;
		if (mask != r->mask && fdtab_conn(r->fd) == c) {
			r->mask = mask;
			reg_kernel_set(r, EPOLL_CTL_MOD);
		}
		/* A level must not be missed; an edge comes with the event that makes it, or was taken from the kernel just now. */
		if (!(r->events & EPOLLET) || r->unheard)
			reg_queue_and_wake(r, false);
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
			reg_queue_and_wake(r, false);
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
			reg_queue_and_wake(r, false);
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

/* A tagged registration needs the kernel only if what it must report of TCP changes. */
static int control_tagged(struct reg *r, int op, const struct epoll_event *event)
{
	uint32_t mask;

	if (r->dormant ? op != EPOLL_CTL_ADD : op == EPOLL_CTL_ADD)
		return r->dormant ? -ENOENT : -EEXIST;
	if (op == EPOLL_CTL_DEL) {
		r->dormant = true;
		reg_unqueue(r);
	} else {
		if (op == EPOLL_CTL_MOD && ((r->events | event->events) & EPOLLEXCLUSIVE))
			return -EINVAL;
		r->events = event->events;
		r->data = event->data;
		r->disabled = r->dormant = false;
	}
	mask = reg_kernel_mask(r);
	if (mask != r->mask) {
		int error;

		r->mask = mask;
		error = reg_kernel_set(r, EPOLL_CTL_MOD);
		if (error < 0)
			return error;
	}
	if (op != EPOLL_CTL_DEL)
		reg_queue_and_wake(r, false);
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
	reg_queue_and_wake(r, false);
	return 0;
}

static int control_locked(struct epset *set, int epfd, int op, int fd, struct epoll_event *event)
{
	struct conn *c = fdtab_conn(fd);
	struct reg *r = c ? find(set, fd, c) : NULL;
	int error;

	if (r && reg_taken_over(r))
		r = NULL;
	if (!c || (!r && load_acquire(&c->shared->foreign_epoll)) || (op != EPOLL_CTL_DEL && !event) || set->closed) {
		struct epset *inner = fdtab_epset(fd);

		error = kernel_epoll_ctl(epfd, op, fd, event);
		for (int i = 0; inner && inner != set && error == 0 && i < NESTED_MAX; i++) {
			if (op == EPOLL_CTL_DEL && set->nested[i] == inner)
				set->nested[i] = NULL;
			if (op == EPOLL_CTL_ADD && !set->nested[i]) {
				set->nested[i] = inner;
				epset_watch(inner);
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
