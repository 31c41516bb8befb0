/* The connection object: birth, holders, death. */
#include "area.h"
#include "conn.h"
#include "discard.h"
#include "epoll.h"
#include "errqueue.h"
#include "far.h"
#include "fdtab.h"
#include "iomap.h"
#include "kernel.h"
#include "log.h"
#include "placement.h"
#include "process.h"
#include "promote.h"
#include "reach.h"
#include "resend.h"
#include "rsocket.h"
#include "rules.h"
#include "service.h"
#include "stream.h"
#include "stretch.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK 64

struct conn_chunk {
	struct conn conn[CHUNK];
};

/* Both free lists and the chunks are guarded by fdtab_lock. */
static struct conn *free_conns;
static struct {
	struct conn_shared *slot[4096];
	unsigned count;
} free_shared;
static struct conn_shared *shared_chunks[16384];
static unsigned shared_chunk_count;
static unsigned stray_shared; /* released here while a sibling held on: one of ours that only a scan finds again */

static void *map_pages(size_t size, int flags)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

	return map == MAP_FAILED ? NULL : map;
}

static bool shared_unused(const struct conn_shared *s)
{
	for (int i = 0; i < HOLDERS; i++)
		if (load_acquire(&s->holder[i]))
			return false;
	return !load_relaxed(&s->more_holders);
}

static struct conn_shared *shared_new(void)
{
	if (!free_shared.count && stray_shared > CHUNK) {
		stray_shared = 0;
		for (unsigned i = 0; i < shared_chunk_count; i++)
			for (unsigned k = 0; k < CHUNK && free_shared.count < CHUNK; k++)
				if (shared_unused(&shared_chunks[i][k]))
					free_shared.slot[free_shared.count++] = &shared_chunks[i][k];
	}
	if (!free_shared.count) {
		struct conn_shared *chunk;

		if (shared_chunk_count == sizeof shared_chunks / sizeof *shared_chunks)
			return NULL;
		chunk = map_pages(CHUNK * sizeof *chunk, MAP_SHARED);
		if (!chunk)
			return NULL;
		shared_chunks[shared_chunk_count++] = chunk;
		for (unsigned k = CHUNK; k--;)
			free_shared.slot[free_shared.count++] = &chunk[k];
	}
	return free_shared.slot[--free_shared.count];
}

static struct conn *conn_alloc(void)
{
	struct conn *c = free_conns;

	if (!c) {
		struct conn_chunk *chunk = map_pages(sizeof *chunk, MAP_PRIVATE);

		if (!chunk)
			return NULL;
		for (int i = CHUNK; i--;) {
			chunk->conn[i].next_free = free_conns;
			free_conns = &chunk->conn[i];
		}
		c = free_conns;
	}
	free_conns = c->next_free;
	return c;
}

/* Threads that do not hold the connection may be looking at the memory's former life: words, not bytes. */
static void clear_words(void *p, size_t size)
{
	for (uint64_t *word = p, *end = word + size / sizeof *word; word < end; word++)
		store_relaxed(word, 0);
}
_Static_assert(sizeof(struct conn) % 8 == 0 && offsetof(struct conn, descriptors) % 8 == 0, "cleared by words");
_Static_assert(sizeof(struct conn_shared) % 8 == 0, "cleared by words");

struct conn *conn_new(int fd, bool accepted)
{
	struct conn *c = NULL;
	struct conn_shared *shared;
	struct conn *old;
	uint32_t generation;
	const size_t kept = offsetof(struct conn, descriptors);

	if ((unsigned)fd >= FDTAB_SIZE)
		return NULL;
	/* A stale entry: the number was closed where we could not see it. */
	old = fdtab_conn(fd);
	if (old)
		conn_close(old, fd);
	critical_enter();
	lock_take(&fdtab_lock);
	shared = shared_new();
	if (shared)
		c = conn_alloc();
	if (!c) {
		if (shared)
			free_shared.slot[free_shared.count++] = shared;
		lock_drop(&fdtab_lock);
		critical_exit();
		return NULL;
	}
	clear_words(shared, sizeof *shared);
	store_relaxed(&shared->holder[0], process_pid());
	generation = c->generation + 1;
	/* Not `users`: threads that look at an older generation count themselves in and out. */
	clear_words((char *)c + kept, sizeof *c - kept);
	store_relaxed(&c->shared, shared);
	c->stats = &shared->stats;
	store_relaxed(&c->fd, fd);
	store_release(&c->descriptors, 1);
	c->accepted = accepted;
	c->undecided = rules_give_settings();
	promote_begin(c);
	shared->recv_lowat = 1;
	store_release(&c->generation, generation | 1);
	fdtab_set(fd, FD_CONN, c);
	lock_drop(&fdtab_lock);
	critical_exit();
	if (accepted)
		conn_opened(c);
	return c;
}

static bool is_tcp(int fd)
{
	int protocol = 0;
	socklen_t size = sizeof protocol;

	return kernel_getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == IPPROTO_TCP;
}

void conn_track(int fd, bool accepted)
{
	int saved = errno;

	if (is_tcp(fd)) {
		struct conn *c = conn_new(fd, accepted);

		if (c && fd <= 2)
			conn_never(c, REASON_STDIO);
	}
	errno = saved;
}

void conn_opened(struct conn *c)
{
	struct stats_conn *record;

	if (c->stats->state != STATS_FREE)
		return;
	critical_enter();
	lock_take(&fdtab_lock);
	area_prepare();
	record = stats_conn_new();
	if (!record)
		record = area_conn_new();
	lock_drop(&fdtab_lock);
	if (record)
		store_release(&c->stats, record);
	stats_conn_open(c->stats, conn_fd(c), (int)c->accepted);
	if (c->rsocket.iomap_size)
		rsocket_map_search_begins();
	trace_add(c, TRACE_OPENED, 0, c->accepted);
	critical_exit();
}

struct conn *conn_get(int fd)
{
	for (;;) {
		struct conn *c = fdtab_conn(fd);

		if (!c)
			return NULL;
		critical_enter();
		store_relaxed(&thread_self.waiting, NULL); /* a longjmp may have left it */
		fetch_add(&c->users, 1);
		if (__builtin_expect(fdtab_conn(fd) == c, 1)) {
			if (__builtin_expect(process_forked_unseen(), 0))
				process_notice_fork();
			return c;
		}
		conn_put(c);
	}
}

void conn_put(struct conn *c)
{
	fetch_sub(&c->users, 1);
	if (__builtin_expect(load_relaxed(&c->orphan), 0))
		conn_orphan_end(c);
	critical_exit();
}

bool conn_get_again(struct conn *c, uint32_t generation, int fd)
{
	bool lives;

	critical_enter();
	fetch_add(&c->users, 1);
	/* As in the kernel, a call goes on if its number was closed, while the connection has any other. */
	lives = fdtab_conn(fd) == c || load_acquire(&c->descriptors) || load_relaxed(&c->orphan);
	return lives && load_acquire(&c->generation) == generation;
}

void conn_kernel_enter(uint64_t *counter, uint32_t generation)
{
	uint64_t now = load_relaxed(counter), want;

	do {
		want = (now >> 32) == generation ? now + 1 : (uint64_t)generation << 32 | 1;
	} while (!compare_swap(counter, &now, want));
}

void conn_kernel_leave(uint64_t *counter, uint32_t generation)
{
	uint64_t now = load_relaxed(counter);

	do {
		/* The connection was closed under the call and its memory serves another one. */
		if ((now >> 32) != generation || (uint32_t)now == 0)
			return;
	} while (!compare_swap(counter, &now, now - 1));
}

void conn_hold(struct conn *c, uint32_t pid)
{
	for (int i = 0; i < HOLDERS; i++) {
		uint32_t free_place = 0;

		if (compare_swap(&c->shared->holder[i], &free_place, pid))
			return;
	}
	fetch_add(&c->shared->more_holders, 1);
}

void conn_release(struct conn *c, uint32_t pid)
{
	for (int i = 0; i < HOLDERS; i++) {
		uint32_t expect = pid;

		if (load_relaxed(&c->shared->holder[i]) == pid && compare_swap(&c->shared->holder[i], &expect, 0))
			return;
	}
	if (load_relaxed(&c->shared->more_holders))
		fetch_sub(&c->shared->more_holders, 1);
}

bool conn_is(const struct conn *c, int fd)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof cookie;

	return kernel_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 && cookie == c->cookie;
}

bool conn_sole_holder(struct conn *c)
{
	uint32_t me = process_pid();

	if (load_relaxed(&c->shared->more_holders))
		return false;
	for (int i = 0; i < HOLDERS; i++) {
		uint32_t pid = load_acquire(&c->shared->holder[i]);

		if (pid == 0 || pid == me)
			continue;
		/* Under a filter that does not know us even this question may be deadly. */
		if ((pid & HOLDER_PENDING) || load_relaxed(&process_filtered) || !process_gone(pid))
			return false;
		compare_swap(&c->shared->holder[i], &pid, 0);
	}
	return true;
}

void conn_reason(struct conn *c, enum reason reason)
{
	if (load_relaxed(&c->stats->reason) == reason)
		return;
	store_relaxed(&c->stats->reason, reason);
	trace_add(c, TRACE_REASON, 0, 0);
	log_at(LOG_DEBUG, "descriptor %d: %s", conn_fd(c), reason_table[reason].code);
}

void conn_never(struct conn *c, enum reason reason)
{
	store_relaxed(&c->never, 1);
	conn_reason(c, reason);
}

void conn_notify(struct conn *c)
{
	struct wire_side *peer = conn_peer(c);
	uint64_t interest;

	if (!c->link)
		return;
	if (load_relaxed(&peer->epoll))
		link_mark(c->link, c->slot);
	interest = load_relaxed(&peer->interest);
	if (interest && bells_ring(c->link->peer, interest))
		store_relaxed(&c->shared->tcp_event, 1);
}

void conn_notify_own(struct conn *c)
{
	if (c->link)
		bells_ring_own(c->link->own, load_acquire(&conn_own(c)->interest));
}

void conn_grant_room(struct conn *c)
{
	uint32_t *want = &conn_peer(c)->want_space, granted = 2;

	exchange(want, granted);
	conn_notify(c);
	compare_swap(want, &granted, 0);
}

void conn_interest(struct conn *c, int bell)
{
	uint64_t *word = &conn_own(c)->interest, now = load_acquire(word), want;
	uint32_t number = bell < 0 ? WIRE_EVERY_BELL : (uint32_t)bell + 1;
	int dropped;

	do {
		int place = -1;

		dropped = -1;
		for (int i = 0; i < 4; i++) {
			uint32_t there = now >> (16 * i) & 0xffff;

			if (there == number || there == WIRE_EVERY_BELL)
				return;
			if (there == 0 && place < 0)
				place = i;
		}
		for (int i = 0; i < 4 && place < 0; i++) {
			uint32_t there = (now >> (16 * i) & 0xffff) - 1;

			if (there < BELL_COUNT && bell_droppable(c->link->own, there)) {
				place = i;
				dropped = (int)there;
			}
		}
		if (place < 0) {
			place = 3;
			number = WIRE_EVERY_BELL;
		}
		want = (now & ~(0xffffull << (16 * place))) | (uint64_t)number << (16 * place);
	} while (!compare_swap(word, &now, want));
	if (dropped >= 0)
		bell_dropped(c->link->own, (uint32_t)dropped);
}

void conn_reset(struct conn *c, enum reason reason)
{
	const struct linger now = {.l_onoff = 1, .l_linger = 0};
	struct sockaddr_storage nobody = {.ss_family = AF_UNSPEC};

	if (load_relaxed(&c->never) && load_relaxed(&c->stats->reason) == reason)
		return;
	conn_never(c, reason);
	trace_add(c, TRACE_RESET, 0, 0);
	log_at(LOG_WARN, "descriptor %d: connection reset: %s", conn_fd(c), reason_table[reason].text);
	/* Connecting to nothing aborts a TCP connection at once: RST to the peer, the descriptor stays. */
	kernel_setsockopt(conn_fd(c), SOL_SOCKET, SO_LINGER, &now, sizeof now);
	sys_call3(SYS_connect, conn_fd(c), &nobody, sizeof nobody);
	store_release(&c->shared->tcp_event, 1);
	thread_wake_waiters(c);
}

/* After a SHUT_RD of our own POLLRDHUP says nothing of the peer: TCP's state does. */
static bool fin_received(const struct conn *c)
{
	uint8_t state = 0; /* the first byte of tcp_info */
	socklen_t size = sizeof state;

	if (!load_relaxed(&c->shared->shut_recv))
		return true;
	kernel_getsockopt(conn_fd(c), IPPROTO_TCP, TCP_INFO, &state, &size);
	return state == TCP_STATE_CLOSE_WAIT || state == TCP_STATE_LAST_ACK || state == TCP_STATE_CLOSING;
}

bool conn_peer_gone(struct conn *c, int revents)
{
	if (load_acquire(&conn_peer(c)->closed))
		return true;
	/* A FIN that the channel knows nothing of: it died, or closed past libc. */
	return (revents & POLLRDHUP) && !(load_acquire(&conn_peer(c)->tail) & TAIL_FIN) && fin_received(c);
}

/* DIFFERS: the reset of a killed process with unread bytes comes when the survivor looks, not by itself. */
int conn_note_end(struct conn *c, int revents, bool asked)
{
	if (!(revents & (POLLRDHUP | POLLERR | POLLHUP)))
		return revents;
	store_relaxed(&c->shared->tcp_event, 1);
	if (revents & POLLRDHUP)
		store_relaxed(&c->shared->end_seen, 1);
	if ((revents & (POLLERR | POLLHUP)) || conn_send_stage(c) != STAGE_RING || !conn_peer_gone(c, revents))
		return revents;
	/* Closed in order, it sent a RST itself if bytes were unread; killed, its kernel knew of none. */
	if (!asked &&
	    (load_acquire(&conn_peer(c)->closed) || ring_writable(&c->send_ring) == (ssize_t)c->send_ring.capacity))
		return revents;
	/* An idle TCP socket cannot tell a close from a half-close: one byte gets the RST that our bytes would have got. */
	if (!exchange(&c->shared->probed, 1))
		kernel_sendto(conn_fd(c), "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
	return errqueue_poll_now(c, POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLWRNORM);
}

int conn_error(struct conn *c, int error)
{
	/* TCP says EPIPE of a reset after a FIN; for bytes that nobody read it would have been ECONNRESET, without a FIN. */
	if (error == EPIPE && load_relaxed(&c->shared->probed) && !load_relaxed(&conn_peer(c)->closed))
		error = ECONNRESET;
	if (error && error != EAGAIN && error != EINTR)
		trace_add(c, TRACE_ERROR, error, 0);
	return error;
}

/* What the peer must learn when the last holder lets go. RUNNING as conn_exit. */
static void publish_end(struct conn *c, bool running)
{
	struct linger linger = {0};
	socklen_t size = sizeof linger;
	bool unread, passed = conn_recv_stage(c) == STAGE_RETURNED;

	/* Under a filter the kernel's close must do: what was promoted went back to TCP before it was installed. */
	if (!load_acquire(&c->attached) || load_relaxed(&process_filtered))
		return;
	kernel_getsockopt(conn_fd(c), SOL_SOCKET, SO_LINGER, &linger, &size);
	unread = stream_readable(c) > 0; /* TCP's, for which the kernel resets by itself, and the ring's */
	store_release(&conn_own(c)->closed, 1);
	/* All in TCP: whether this is the last close, and what follows from it, is the kernel's to say. */
	if (unread && passed)
		return;
	if (unread && !(linger.l_onoff && linger.l_linger == 0)) {
		/* As TCP: closing with unread bytes is a reset. */
		linger.l_onoff = 1;
		linger.l_linger = 0;
		kernel_setsockopt(conn_fd(c), SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	}
	if (load_relaxed(&c->reset) || (linger.l_onoff && linger.l_linger == 0))
		return; /* the kernel's RST says it all */
	if (WORD_STATE(load_acquire(conn_send_word(c))) == WIRE_COMMITTED)
		resend_end(c, running);
	conn_notify(c);
}

static bool closes_by_reset(struct conn *c)
{
	struct linger linger = {0};
	socklen_t size = sizeof linger;

	kernel_getsockopt(conn_fd(c), SOL_SOCKET, SO_LINGER, &linger, &size);
	return load_relaxed(&c->reset) || (linger.l_onoff && linger.l_linger == 0) || stream_readable(c);
}

/* The search goes on meanwhile. */
static void await_stretch(struct conn *c)
{
	if (stretch_awaited(c) && !closes_by_reset(c) && conn_sole_holder(c))
		stretch_await(c);
}

static void account_end(struct conn *c)
{
	/* At exit, and once more by a thread that was closing it then. */
	if (load_relaxed(&c->stats->state) == STATS_CLOSED)
		return;
	/* Tried often enough, and only too young to be given up. */
	if (load_relaxed(&c->stats->reason) == REASON_SEARCHING &&
	    load_relaxed(&c->tries) > conn_settings(c)->promote_tries)
		store_relaxed(&c->stats->reason, REASON_PEER_ABSENT);
	store_relaxed(&c->stats->closed_ns, clock_realtime());
	store_release(&c->stats->state, STATS_CLOSED);
	if (load_relaxed(&c->stats->opened_ns)) {
		area_account(c->stats);
		trace_add(c, TRACE_CLOSED, 0,
			  load_relaxed(&c->stats->recv_bytes) + load_relaxed(&c->stats->send_bytes));
	}
}

/* Siblings hold on: the record names one of them. */
static void account_leave(struct conn *c)
{
	uint32_t me = process_pid();

	for (int i = 0; i < HOLDERS && load_relaxed(&c->stats->pid) == me; i++) {
		uint32_t pid = load_relaxed(&c->shared->holder[i]);

		if (pid && pid != me && !(pid & HOLDER_PENDING))
			store_relaxed(&c->stats->pid, pid);
	}
}

static void conn_recycle(struct conn *c)
{
	struct conn_shared *shared = c->shared;

	/* A thread that was on its way began another one. */
	far_end(c);
	rsocket_options_fini(&c->rsocket);
	iomap_fini(c);
	errqueue_fini(c);
	if (c->attached) {
		readiness_take();
		if (c->link)
			link_put(c->link, c->slot, c, !shared_unused(shared));
		readiness_drop();
		kernel_unmap(c->channel, c->channel_size);
	}
	lock_take(&fdtab_lock);
	store_release(&c->generation, c->generation + 1);
	area_conn_free(c->stats);
	if (shared_unused(shared) && free_shared.count < sizeof free_shared.slot / sizeof *free_shared.slot)
		free_shared.slot[free_shared.count++] = shared;
	else
		stray_shared++;
	c->next_free = free_conns;
	free_conns = c;
	lock_drop(&fdtab_lock);
}

static void conn_end(struct conn *c)
{
	bool sole;

	await_stretch(c);
	placement_cancel(c);
	promote_cancel(c);
	epoll_forget_conn(c);
	iomap_withdraw(c);
	sole = conn_sole_holder(c);
	if (sole)
		publish_end(c, false);
	if (sole)
		account_end(c);
	else
		account_leave(c);
	conn_release(c, process_pid());
	thread_wake_waiters(c);
	/* Sections are short and never sleep; a second is for a thread that a debugger stopped. Then the memory is left behind. */
	for (uint64_t start = 0; load_acquire(&c->users);) {
		if (start == 0)
			start = clock_monotonic();
		else if (clock_monotonic() - start > 1000000000ull)
			return;
		sys_call0(SYS_sched_yield);
	}
	conn_recycle(c);
}

/* The file must outlive the number: a thread sleeps in a call on it, as it may in the kernel. */
static bool make_orphan(struct conn *c, int fd)
{
	int kept;

	full_barrier(); /* fdtab was cleared: who is not counted yet will not find C there */
	if (!load_acquire(&c->users) && !thread_waits_for(c))
		return false;
	kept = own_fd(kernel_fcntl(fd, F_DUPFD_CLOEXEC, 0));
	if (kept < 0)
		return false;
	store_relaxed(&c->fd, kept);
	exchange(&c->orphan, 1);
	/* Over by now? */
	conn_orphan_end(c);
	return true;
}

void conn_orphan_end(struct conn *c)
{
	uint32_t waiting = 1;
	int kept;

	if (load_acquire(&c->users) || thread_waits_for(c) || !compare_swap(&c->orphan, &waiting, 2))
		return;
	kept = conn_fd(c);
	conn_end(c);
	own_fd_close(kept);
}

/* FD may be the last descriptor: what is being placed comes before the end, as bytes that were written do; a reset drops both. */
static void finish_placements(struct conn *c, int fd)
{
	struct linger linger = {0};
	socklen_t size = sizeof linger;
	struct conn *held = load_relaxed(&c->descriptors) == 1 ? conn_get(fd) : NULL;

	if (held && held == c && !load_relaxed(&held->reset)) {
		kernel_getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size);
		if (!linger.l_onoff || linger.l_linger)
			placement_close(c);
	}
	if (held)
		conn_put(held);
}

void conn_close(struct conn *c, int fd)
{
	bool last = false;

	critical_enter();
	if (placement_pending(c))
		finish_placements(c, fd);
	lock_take(&fdtab_lock);
	if (fdtab_conn(fd) == c) {
		fdtab_set(fd, FD_NONE, NULL);
		store_relaxed(&c->descriptors, c->descriptors - 1);
		last = c->descriptors == 0;
		if (!last && conn_fd(c) == fd)
			for (int i = 0; i <= fdtab_top(); i++)
				if (fdtab_conn(i) == c) {
					store_relaxed(&c->fd, i);
					break;
				}
	}
	lock_drop(&fdtab_lock);
	if (last && !make_orphan(c, fd))
		conn_end(c);
	critical_exit();
}

void conn_each(void (*fn)(struct conn *c, void *arg), void *arg)
{
	for (int fd = 0; fd <= fdtab_top(); fd++) {
		struct conn *c = fdtab_conn(fd) ? conn_get(fd) : NULL;

		if (!c)
			continue;
		/* Another thread may close it meanwhile. */
		if (conn_fd(c) == fd)
			fn(c, arg);
		conn_put(c);
	}
}

/* The same for who holds the fdtab lock, or is alone. */
static void each_locked(void (*fn)(struct conn *c, void *arg), void *arg)
{
	for (int fd = 0; fd <= fdtab_top(); fd++) {
		struct conn *c = fdtab_conn(fd);

		if (c && conn_fd(c) == fd)
			fn(c, arg);
	}
}

static void end_at_exit(struct conn *c, void *running)
{
	if (placement_pending(c))
		placement_close(c);
	await_stretch(c);
	if (conn_sole_holder(c)) {
		publish_end(c, *(bool *)running);
		account_end(c);
	} else {
		account_leave(c);
	}
	conn_release(c, process_pid());
}

void conn_exit(bool running)
{
	critical_enter();
	conn_each(end_at_exit, &running);
	critical_exit();
}

static void hold_for_child(struct conn *c, void *unused)
{
	(void)unused;
	conn_hold(c, thread_self.forking);
}

static void hold_settle(struct conn *c, void *pid)
{
	for (int i = 0; i < HOLDERS; i++) {
		uint32_t pending = thread_self.forking;

		if (compare_swap(&c->shared->holder[i], &pending, *(uint32_t *)pid))
			return;
	}
}

static void forget_in_child(struct conn *c, void *pid)
{
	hold_settle(c, pid);
	c->users = 0; /* the other threads are not here */
	c->orphan = 0;
	c->kernel_readers = 0;
	c->kernel_writers = 0;
	c->send_gate = 0;
	c->promoting = 0;
	iomap_forked(c);
	errqueue_forked(c);
	promote_forked(c);
}

void conn_fork_prepare(void)
{
	critical_enter();
	lock_take(&fdtab_lock);
	readiness_take();
	thread_self.forking = HOLDER_PENDING | thread_id();
	each_locked(hold_for_child, NULL);
}

static void fork_unlock(void)
{
	readiness_drop();
	lock_drop(&fdtab_lock);
	critical_exit();
}

void conn_fork_parent(int32_t child)
{
	/* 0: a fork inside libc, whose child says itself who it is. */
	if (child) {
		uint32_t pid = child < 0 ? 0 : (uint32_t)child;

		each_locked(hold_settle, &pid);
	}
	fork_unlock();
}

void conn_fork_settle(uint32_t child)
{
	lock_take(&fdtab_lock);
	each_locked(hold_settle, &child);
	lock_drop(&fdtab_lock);
}

void conn_fork_child(void)
{
	uint32_t pid = process_pid();

	/* Memory that later connections are made of must be this process's own. */
	shared_chunk_count = 0;
	free_shared.count = 0;
	stray_shared = 0;
	area_forked();
	discard_forked();
	reach_forked();
	far_fork_child();
	service_forked();
	each_locked(forget_in_child, &pid);
	fork_unlock();
}

static void hold_again(struct conn *c, void *unused)
{
	(void)unused;
	conn_hold(c, process_pid());
	iomap_publish(c);
}

static void release_for_exec(struct conn *c, void *unused)
{
	(void)unused;
	/* If the exec fails they were done early; if not, nobody could do them. */
	placement_exec(c);
	iomap_withdraw(c);
	conn_release(c, process_pid());
}

void conn_exec(bool failed)
{
	conn_each(failed ? hold_again : release_for_exec, NULL);
}
