/* Promotion. DESIGN NOTES. No byte of ours enters the TCP stream; what the two ends agree on is one word a direction. The
 * receiver consents when no reader of its process is inside a blocking kernel read (gate: recv_stage is MOVING, then the
 * count is looked at); the sender commits when no writer is inside a kernel write (gate: send_gate), with X, the number of bytes that TCP
 * was given, from the kernel's own count. Both compare that count with what went through us: a difference
 * means somebody moves bytes behind libc's back, and the connection stays where it is. test/model/promote.pml is this protocol. */
#include "promote.h"
#include "epoll.h"
#include "errqueue.h"
#include "far.h"
#include "iomap.h"
#include "kernel.h"
#include "log.h"
#include "process.h"
#include "rendezvous.h"
#include "resend.h"
#include "rsocket.h"
#include "rules.h"
#include "sockopt.h"
#include "trace.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static int tcp_info(int fd, struct tcp_info *info)
{
	socklen_t size = sizeof *info;
	int error;

	memset(info, 0, sizeof *info);
	error = kernel_getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size);
	if (error < 0)
		return error;
	/* bytes_sent came last of what we need, in 4.19. */
	return size >= offsetof(struct tcp_info, tcpi_bytes_retrans) + sizeof info->tcpi_bytes_retrans ? 0 : -ENOSYS;
}

int promote_written(int fd, uint64_t *position)
{
	struct tcp_info info;
	int error = tcp_info(fd, &info);

	if (error < 0)
		return error;
	*position = info.tcpi_bytes_sent - info.tcpi_bytes_retrans + info.tcpi_notsent_bytes;
	return 0;
}

/* A received FIN counts one. */
static bool counts_fin(const struct tcp_info *info)
{
	return info->tcpi_state == TCP_STATE_CLOSE_WAIT || info->tcpi_state == TCP_STATE_LAST_ACK ||
	       info->tcpi_state == TCP_STATE_CLOSING;
}

int promote_received(int fd, uint64_t *position)
{
	struct tcp_info info;
	int error = tcp_info(fd, &info);

	if (error < 0)
		return error;
	*position = info.tcpi_bytes_received - counts_fin(&info);
	return 0;
}

int promote_read(int fd, uint64_t *position)
{
	struct tcp_info before, after;
	int waiting, error;

	/* Two counters that move while we look: read until the first stands still around the second. */
	for (int i = 0; i < 100; i++) {
		error = tcp_info(fd, &before);
		if (error == 0)
			error = kernel_ioctl(fd, SIOCINQ, &waiting);
		if (error == 0)
			error = tcp_info(fd, &after);
		if (error < 0)
			return error;
		if (before.tcpi_bytes_received == after.tcpi_bytes_received && before.tcpi_state == after.tcpi_state) {
			*position = after.tcpi_bytes_received - (uint64_t)waiting - counts_fin(&after);
			return 0;
		}
	}
	return -EAGAIN;
}

bool promote_established(int fd)
{
	struct tcp_info info;

	return tcp_info(fd, &info) == 0 && info.tcpi_state == TCP_STATE_ESTABLISHED;
}

bool promote_peer_ended(int fd)
{
	struct tcp_info info;

	return tcp_info(fd, &info) < 0 || counts_fin(&info) || info.tcpi_state == TCP_STATE_TIME_WAIT ||
	       info.tcpi_state == TCP_STATE_CLOSE;
}

/* An inherited filter (containers have one) may allow what we do, or kill for it: a child finds out. */
static bool filter_forbids(void)
{
	long child, status = 0;

	if (sys_call2(SYS_prctl, PR_GET_SECCOMP, 0) <= 0)
		return false;
	child = sys_call5(SYS_clone, 0, 0, 0, 0, 0);
	if (child == 0) {
		bool ok = sys_call2(SYS_memfd_create, "rsocket-probe", 1) >= 0 &&
			  kernel_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0 &&
			  kernel_socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 4) >= 0 && kernel_poll_now(0, 0) >= 0;

		for (;;)
			sys_call1(SYS_exit_group, ok ? 0 : 1);
	}
	if (child < 0)
		return true;
	while (sys_call4(SYS_wait4, child, &status, __WALL, NULL) == -EINTR)
		;
	return (int)status != 0;
}

/* Whether FD's error queue is about more than zero-copy sends: what else is in it could not be moved to ours (errqueue.h). */
static bool has_other_notices(int fd)
{
	static const int options[][2] = {
		{SOL_SOCKET, SO_TIMESTAMPING}, {IPPROTO_IP, IP_RECVERR}, {IPPROTO_IPV6, IPV6_RECVERR}};

	for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
		int value = 0;
		socklen_t size = sizeof value;

		if (kernel_getsockopt(fd, options[i][0], options[i][1], &value, &size) == 0 && value)
			return true;
	}
	return false;
}

/* What only the kernel can carry, found once when the search begins. */
static bool has_feature(int fd)
{
	int value = 0, flags = kernel_fcntl(fd, F_GETFL, 0);
	char ulp[16] = "";
	socklen_t size = sizeof value;

	if (flags < 0 || (flags & O_ASYNC))
		return true;
	value = -1;
	if (kernel_getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &value, &size) == 0 && value >= 0)
		return true;
	value = 0, size = sizeof value;
	if (sockopt_timestamps(fd))
		return true;
	value = 0, size = sizeof value;
	if (kernel_getsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &value, &size) == 0 && value)
		return true;
	value = 0, size = sizeof value;
	if (kernel_getsockopt(fd, IPPROTO_TCP, TCP_INQ, &value, &size) == 0 && value)
		return true;
	value = 0, size = sizeof value;
	if (kernel_getsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &value, &size) == 0 && value && has_other_notices(fd))
		return true;
	size = sizeof ulp;
	return kernel_getsockopt(fd, IPPROTO_TCP, TCP_ULP, ulp, &size) == 0 && size && ulp[0];
}

static uint64_t timeout_ns(int fd, int option)
{
	struct timeval tv = {0};
	socklen_t size = sizeof tv;

	if (kernel_getsockopt(fd, SOL_SOCKET, option, &tv, &size) < 0)
		return 0;
	return (uint64_t)tv.tv_sec * 1000000000ull + (uint64_t)tv.tv_usec * 1000;
}

void promote_learn(struct conn *c)
{
	struct conn_shared *s = c->shared;
	int lowat = 1;
	socklen_t size = sizeof lowat;

	if (settings()->polling_time || conn_settings(c)->polling_time)
		kernel_init();
	store_relaxed(&s->nonblock, (kernel_fcntl(conn_fd(c), F_GETFL, 0) & O_NONBLOCK) != 0);
	store_relaxed(&s->recv_timeout_ns, timeout_ns(conn_fd(c), SO_RCVTIMEO));
	store_relaxed(&s->send_timeout_ns, timeout_ns(conn_fd(c), SO_SNDTIMEO));
	kernel_getsockopt(conn_fd(c), SOL_SOCKET, SO_RCVLOWAT, &lowat, &size);
	store_relaxed(&s->recv_lowat, lowat < 1 ? 1u : (uint32_t)lowat);
	size = sizeof c->cookie;
	kernel_getsockopt(conn_fd(c), SOL_SOCKET, SO_COOKIE, &c->cookie, &size);
}

static void attach(struct conn *c, int side, const struct meeting *m)
{
	struct conn_shared *s = c->shared;
	uint8_t *data = (uint8_t *)m->channel + WIRE_DATA_OFFSET;

	promote_learn(c);
	c->channel = m->channel;
	c->channel_size = m->channel_size;
	c->side = side;
	c->link = m->link;
	c->slot = m->slot;
	c->send_ring = (struct ring){.out = conn_own(c),
				     .in = conn_peer(c),
				     .data = data + (side ? m->capacity[0] : 0),
				     .capacity = m->capacity[side],
				     .populated = &s->populated};
	c->recv_ring = (struct ring){.out = conn_peer(c),
				     .in = conn_own(c),
				     .data = data + (side ? 0 : m->capacity[0]),
				     .capacity = m->capacity[!side]};
	iomap_attach(c, (uint8_t *)m->channel + m->channel_size - iomap_bytes(m->maps), m->maps, &m->peer);
	if (m->settled)
		iomap_settle(c, &m->placing);
	store_release(&c->attached, 1);
	if (!m->settled)
		rsocket_map_search_begins();
}

void promote_begin(struct conn *c)
{
	const struct settings *s = conn_settings(c);

	c->search_calls = (uint64_t)(c->rsocket.made ? s->rsocket_after_calls : s->promote_after_calls);
	store_relaxed(&c->next_calls, c->search_calls);
	/* The rules are asked at the first call that counts; of an rsocket, as soon as it is connected. */
	if (c->undecided)
		store_relaxed(&c->next_calls, c->rsocket.made ? 0 : 1);
	store_relaxed(&c->next_bytes, (uint64_t)s->promote_after_bytes);
}

/* Asks the rules for C's settings, if they were not asked and its ends are known. */
static void decide(struct conn *c)
{
	struct rule_subject subject;
	struct tuple ends;
	uint16_t line = 0;
	int error;

	if (!c->undecided)
		return;
	error = tuple_of(conn_fd(c), &ends);
	if (error == -ENOTCONN)
		return;
	c->undecided = 0;
	if (error == 0) {
		subject = rendezvous_subject(c, &ends);
		store_relaxed(&c->settings, (uint16_t)rules_settings(&subject, &line));
		store_relaxed(&c->stats->settings_line, line);
	}
	promote_begin(c);
}

#define RARER_CALLS 8 /* doublings */
#define RARER_BYTES 14
#define GIVE_UP_NS 1000000000 /* a connection younger than that is not given up: its peer may not have run yet */

static void put_off(struct conn *c)
{
	uint32_t rarer;
	uint64_t calls = load_relaxed(&c->stats->recv_calls) + load_relaxed(&c->stats->send_calls),
		 bytes = load_relaxed(&c->stats->recv_bytes) + load_relaxed(&c->stats->send_bytes);
	/* Someone is there, and only has to make a call of its own: look soon, and as long as it takes. */
	if (c->rendezvous && c->rendezvous->fd >= 0) {
		store_relaxed(&c->next_calls, calls + (1ull << (c->looks < 8 ? c->looks / 2 : 4)));
		store_relaxed(&c->next_bytes, bytes + (uint64_t)conn_settings(c)->promote_after_bytes);
		c->looks++;
		return;
	}
	/* Nobody yet: ever more rarely, up to a point: a peer may be inside one very long call. Large calls make bytes fast. */
	rarer = c->tries < RARER_CALLS ? c->tries : RARER_CALLS;
	store_relaxed(&c->next_calls, calls + ((c->search_calls ? c->search_calls : 1) << rarer));
	rarer = c->tries < RARER_BYTES ? c->tries : RARER_BYTES;
	store_relaxed(&c->next_bytes, bytes + ((uint64_t)conn_settings(c)->promote_after_bytes << rarer));
	store_relaxed(&c->tries, c->tries + 1);
}

static void search_end(struct conn *c)
{
	struct rendezvous *r = c->rendezvous;

	/* First, so that a fork in between finds none. */
	c->rendezvous = NULL;
	if (r)
		rendezvous_free(r);
}

/* It looks no more. */
static void search_fails(struct conn *c, enum reason reason)
{
	search_end(c);
	store_relaxed(&c->over, 1);
	if (!load_relaxed(&c->never))
		conn_never(c, reason);
}

/* Its other end is on another host: that one has a search of its own, for what of the connection is not the stream. */
static bool search_far(struct conn *c)
{
	int error = !load_relaxed(&c->never) || load_relaxed(&c->stats->reason) == REASON_SETTING ||
				    load_relaxed(&c->stats->reason) == REASON_RULE
			    ? far_begin(c)
			    : -EOPNOTSUPP;

	if (error == -EAGAIN)
		put_off(c);
	else if (error == 0 && !load_relaxed(&c->never))
		conn_never(c, REASON_REMOTE);
	return error == 0 || error == -EAGAIN;
}

static void attempt(struct conn *c)
{
	static int forbidden = -1;
	struct meeting meeting = {.placing = {.ask = -1, .serve = -1}};
	enum reason reason;
	bool retry;
	int met;

	if (load_relaxed(&c->far))
		return;
	if (c->tries > conn_settings(c)->promote_tries && !(c->rendezvous && c->rendezvous->fd >= 0) &&
	    clock_realtime() - c->stats->opened_ns > GIVE_UP_NS) {
		search_fails(c,
			     c->stats->reason == REASON_SEARCHING ? REASON_PEER_ABSENT : (enum reason)c->stats->reason);
		return;
	}
	if (!conn_sole_holder(c)) {
		promote_reason(c, REASON_SHARED);
		put_off(c);
		return;
	}
	if (load_relaxed(&c->shared->foreign_epoll)) {
		search_end(c);
		conn_never(c, REASON_EPOLL_STALE);
		return;
	}
	if (load_relaxed(&forbidden) < 0)
		store_relaxed(&forbidden, filter_forbids());
	if (load_relaxed(&forbidden) || load_relaxed(&process_filtered)) {
		search_fails(c, REASON_SECCOMP);
		return;
	}
	if (load_relaxed(&process_moved)) {
		search_fails(c, REASON_NAMESPACE);
		return;
	}
	if (!c->rendezvous) {
		if (!load_relaxed(&c->never) && has_feature(conn_fd(c))) {
			conn_never(c, REASON_SOCKET_FEATURE);
			if (promote_over(c))
				return;
		}
		if (rendezvous_full()) {
			put_off(c);
			return;
		}
		c->rendezvous = rendezvous_new(c, &reason, &retry);
		if (!c->rendezvous) {
			if (retry) {
				promote_reason(c, reason);
				put_off(c);
			} else if (reason != REASON_REMOTE || !search_far(c)) {
				search_fails(c, reason);
			}
			return;
		}
		promote_reason(c, REASON_SEARCHING);
	}
	met = rendezvous_step(c->rendezvous, c, &meeting, &reason);
	if (met > 0) {
		attach(c, c->rendezvous->side, &meeting);
		if (meeting.settled)
			search_end(c);
	} else if (met < 0) {
		search_fails(c, reason);
	} else {
		put_off(c);
	}
}

/* The peer was found; it has yet to tell how bytes are placed. */
static void settle(struct conn *c)
{
	struct placing placing;
	int told;

	if (load_relaxed(&c->maps_settled) || load_relaxed(&c->far))
		return;
	/* A forked child's: what its parent began it cannot go on with. */
	if (load_relaxed(&c->stretch)) {
		iomap_refuse(c);
		return;
	}
	/* None: it was dropped on the way, by a fork or when the stream went back to TCP. */
	told = c->rendezvous ? rendezvous_settle(c->rendezvous, &placing) : -EPROTO;
	if (told) {
		iomap_settle(c, told > 0 ? &placing : NULL);
		search_end(c);
	}
}

void promote_attempt(struct conn *c)
{
	uint32_t idle = 0;

	if (!compare_swap(&c->promoting, &idle, 1))
		return;
	if (promote_due(c)) {
		decide(c);
		if (!c->undecided && promote_due(c))
			attempt(c);
	}
	store_release(&c->promoting, 0);
}

void promote_look(struct conn *c)
{
	uint32_t idle = 0;

	if (!compare_swap(&c->promoting, &idle, 1))
		return;
	if (load_relaxed(&c->attached)) {
		settle(c);
	} else if (!promote_over(c)) {
		uint32_t tries = c->tries;
		uint64_t calls, bytes;

		decide(c);
		calls = load_relaxed(&c->next_calls);
		bytes = load_relaxed(&c->next_bytes);
		attempt(c);
		/* It does not count: whoever waits looks often. */
		store_relaxed(&c->tries, tries);
		store_relaxed(&c->next_calls, calls);
		store_relaxed(&c->next_bytes, bytes);
	}
	store_release(&c->promoting, 0);
}

/* An attempt under way in another thread never sleeps. */
static void promoting_take(struct conn *c)
{
	uint32_t idle = 0;

	while (!compare_swap(&c->promoting, &idle, 1)) {
		idle = 0;
		sys_call0(SYS_sched_yield);
	}
}

void promote_cancel(struct conn *c)
{
	promoting_take(c);
	search_end(c);
	store_release(&c->promoting, 0);
	far_end(c);
}

void promote_forked(struct conn *c)
{
	c->promoting = 0;
	far_forked(c);
	if (c->rendezvous)
		rendezvous_forked(c->rendezvous);
	c->rendezvous = NULL;
}

bool promote_calls_under_way(const struct conn *c, const uint64_t *counter)
{
	uint64_t now = load_acquire(counter);

	return (now >> 32) == c->generation && (uint32_t)now;
}

/* The first direction that leaves TCP. */
static void promoted(struct conn *c)
{
	if (!load_relaxed(&c->stats->promoted_ns))
		store_relaxed(&c->stats->promoted_ns, clock_realtime());
	conn_reason(c, REASON_PROMOTED);
}

void promote_consent(struct conn *c)
{
	uint32_t stage = STAGE_TCP, attached = load_acquire(&conn_peer(c)->attached);
	uint64_t word = WORD(WIRE_OFF, 0), position, counted;
	int error;

	if (load_relaxed(&c->never) || !attached || load_relaxed(&c->shared->shut_recv) ||
	    load_relaxed(&process_filtered) || load_relaxed(&c->shared->foreign_epoll) || !conn_sole_holder(c))
		return;
	if (attached == WIRE_STAYING) {
		conn_never(c, REASON_PEER_STAYS);
		return;
	}
	if (!compare_swap(&c->shared->recv_stage, &stage, STAGE_MOVING))
		return;
	/* Still: a child that is forked from here on finds the stage. */
	if (!conn_sole_holder(c) || promote_calls_under_way(c, &c->kernel_readers) || !promote_established(conn_fd(c)))
		goto not_now;
	/* A reader that was on its way when an earlier consent was put off may be reading right now. */
	shared_lock_take(&c->shared->recv_lock);
	error = promote_read(conn_fd(c), &position);
	counted = load_acquire(&c->shared->recv_kernel);
	shared_lock_drop(&c->shared->recv_lock);
	if (error < 0)
		goto not_now;
	if (position != counted) {
		conn_never(c, REASON_FOREIGN_IO);
		goto not_now;
	}
	if (!epoll_convert(c)) {
		conn_never(c, REASON_EPOLL_STALE);
		goto not_now;
	}
	/* Refused meanwhile, by a thread that hands the descriptor on? Then readers may block in the kernel again. */
	if (!compare_swap(conn_recv_word(c), &word, WORD(WIRE_CONSENT, 0)))
		goto not_now;
	thread_wake_pollers();
	return;

not_now:
	store_release(&c->shared->recv_stage, STAGE_TCP);
}

bool promote_corked(struct conn *c)
{
	int value = 0;
	socklen_t size = sizeof value;

	return load_relaxed(&c->corked) ||
	       (kernel_getsockopt(conn_fd(c), IPPROTO_TCP, TCP_CORK, &value, &size) == 0 && value);
}

bool promote_commit(struct conn *c)
{
	uint64_t word = load_acquire(conn_send_word(c)), x;

	if (WORD_STATE(word) != WIRE_CONSENT || load_relaxed(&c->never) || load_relaxed(&c->shared->shut_send) ||
	    conn_send_stage(c) != STAGE_TCP || load_relaxed(&process_filtered) ||
	    load_relaxed(&c->shared->foreign_epoll) || !conn_sole_holder(c))
		return false;
	exchange(&c->send_gate, 1);
	if (promote_calls_under_way(c, &c->kernel_writers) || promote_corked(c) || !promote_established(conn_fd(c)) ||
	    promote_written(conn_fd(c), &x) < 0)
		goto not_now;
	if (x != load_acquire(&c->shared->send_kernel)) {
		conn_never(c, REASON_FOREIGN_IO);
		goto not_now;
	}
	if (!epoll_convert(c)) {
		conn_never(c, REASON_EPOLL_STALE);
		goto not_now;
	}
	if (!compare_swap(conn_send_word(c), &word, WORD(WIRE_COMMITTED, x)))
		goto not_now;
	store_release(&c->shared->send_stage, STAGE_RING);
	store_release(&c->send_gate, 0);
	/* Registrations made meanwhile; later ones see the stage. */
	full_barrier();
	epoll_convert(c);
	store_relaxed(&c->stats->send_transport, TRANSPORT_SHM);
	trace_add(c, TRACE_SEND_SHM, 0, x);
	promoted(c);
	epoll_sync(c);
	thread_wake_pollers();
	return true;

not_now:
	store_release(&c->send_gate, 0);
	return false;
}

bool promote_numbers(struct conn *c)
{
	bool ok;

	if (load_acquire(&c->shared->zerocopy) & ZEROCOPY_OURS)
		return true;
	shared_lock_take(&c->shared->send_lock);
	exchange(&c->send_gate, 1);
	ok = conn_send_stage(c) != STAGE_TCP || !(load_relaxed(&c->shared->zerocopy) & ZEROCOPY_ON) ||
	     !promote_calls_under_way(c, &c->kernel_writers);
	if (ok)
		fetch_or(&c->shared->zerocopy, ZEROCOPY_OURS);
	store_release(&c->send_gate, 0);
	shared_lock_drop(&c->shared->send_lock);
	return ok;
}

void promote_return_send(struct conn *c, enum reason reason)
{
	conn_never(c, reason);
	if (conn_send_stage(c) != STAGE_RING)
		return;
	resend_return(c, 0);
	store_relaxed(&c->stats->send_transport, TRANSPORT_TCP);
	trace_add(c, TRACE_SEND_RETURNED, 0, 0);
	conn_notify(c);
	conn_notify_own(c);
	epoll_sync(c);
}

#define TAKING_MS 2

/* Whether the peer, having closed its direction itself, takes back what is unread: it does so at once, or not at all. */
static bool taken_by_peer(struct conn *c)
{
	for (int i = 0; i < TAKING_MS; i++) {
		uint64_t flags;

		if (ring_readable(&c->recv_ring, &flags) == 0)
			return true;
		kernel_sleep_ms(1);
	}
	return false;
}

/* The committed direction of the peer's goes back. What is unread it sends again by TCP, if it is there to do so. DIFFERS: it does so in its
 * next call, and killed before that it takes those bytes along. */
static int return_recv(struct conn *c)
{
	uint64_t before = ring_end(&c->recv_ring, TAIL_CLOSED), flags;
	ssize_t left = ring_readable(&c->recv_ring, &flags);

	if (left && (before & TAIL_FLAGS) && conn_recv_stage(c) != STAGE_RETURNED && !taken_by_peer(c))
		return -EBUSY;
	if (left && !(before & TAIL_FLAGS) && (!c->link || conn_peer_gone(c, kernel_poll_now(conn_fd(c), POLLRDHUP))))
		return -EBUSY;
	/* What TCP still holds from before X comes first, and what comes next follows it there. */
	if (exchange(&c->shared->recv_stage, STAGE_RETURNED) == STAGE_RETURNED)
		return 0;
	store_relaxed(&c->stats->recv_transport, TRANSPORT_TCP);
	trace_add(c, TRACE_RECV_RETURNED, 0, 0);
	conn_notify(c);
	/* Who of this process sleeps for the ring must sleep for TCP; who has the other end, in no call, has no other cause to look. */
	thread_wake_waiters(c);
	thread_wake_pollers();
	if (left)
		resend_each();
	return 0;
}

int promote_return(struct conn *c, enum reason reason)
{
	uint64_t word;
	uint32_t moving = STAGE_MOVING;
	int error = 0;

	promoting_take(c);
	conn_never(c, reason);
	/* One that was found already may still have to tell of its maps. */
	if (!load_relaxed(&c->attached) || promote_over(c))
		search_end(c);
	store_release(&c->promoting, 0);
	if (load_relaxed(&c->far))
		far_return(c);
	if (!load_acquire(&c->attached))
		return 0;
	shared_lock_take(&c->shared->send_lock);
	promote_return_send(c, reason);
	shared_lock_drop(&c->shared->send_lock);
	resend_finish(c);

	word = load_acquire(conn_recv_word(c));
	while (WORD_STATE(word) == WIRE_OFF || WORD_STATE(word) == WIRE_CONSENT)
		if (compare_swap(conn_recv_word(c), &word, WORD(WIRE_REFUSED, 0)))
			word = WORD(WIRE_REFUSED, 0);
	if (WORD_STATE(word) != WIRE_COMMITTED)
		compare_swap(&c->shared->recv_stage, &moving, STAGE_TCP);
	else if (conn_recv_stage(c) != STAGE_RETURNED)
		error = return_recv(c);
	epoll_sync(c);
	return error;
}
