/* The stretch. DESIGN NOTES. To the reading end it is a direction that leaves TCP at the announced position for a ring that is empty and closed, and
 * comes back behind it: the stages of promoted connections (stream.c), their peeks, polls and counts, do the rest. That ring is no peer's. While
 * the stretch is awaited the stage stays MOVING, in which no reader blocks in the kernel and none reads past the position. Whoever looks decides, as
 * soon as what lies there can be told: a stretch is taken out, with what the program has not read before it going into the ring; anything
 * else stays where it is. So nothing depends on whether the program reads, or on the other end's word: what is not the nonce is delivered, whoever
 * announced it and whatever became of them since. */
#include "stretch.h"
#include "epoll.h"
#include "kernel.h"
#include "process.h"
#include "promote.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define CAPACITY \
	(8ull << 20) /* of the ring: more than a receive buffer ever holds, and never touched but for what was unread */
#define AHEAD_MAX (256ull << 20) /* bytes that may be under way before an announced position */
#define SURE 8                   /* bytes of a nonce that no program's bytes begin with by chance */
#define ORPHAN_NS 1000000000ull
#define FINISH_MS 1500
#define PAUSE_NS 50000
#define PAUSE_MAX_NS 1000000

_Static_assert(sizeof(struct wire_channel) + sizeof(struct stretch) <= WIRE_PAGE, "one page");

/* --- the end that writes it --- */

int stretch_hold(struct conn *c, uint64_t *position)
{
	uint64_t x = 0;
	int error = -EAGAIN;

	if (!conn_sole_holder(c) || load_relaxed(&c->shared->shut_send))
		return -EAGAIN;
	exchange(&c->far_gate, 1);
	if (conn_send_stage(c) == STAGE_TCP && !promote_calls_under_way(c, &c->kernel_writers) && !promote_corked(c) &&
	    promote_established(conn_fd(c)) && (kernel_poll_now(conn_fd(c), POLLOUT) & POLLOUT) &&
	    promote_written(conn_fd(c), &x) == 0)
		/* An urgent byte counts here, and where it is read apart it does not. */
		error = x == load_acquire(&c->shared->send_kernel) &&
					load_relaxed(&c->stats->reason) != REASON_RETURNED_FEATURE
				? 0
				: -EIO;
	if (error < 0)
		stretch_release(c);
	else
		*position = x;
	return error;
}

int stretch_write(struct conn *c, uint64_t position, const struct wire_stretch *bytes, size_t *done)
{
	uint64_t x;
	ssize_t n;

	if (*done == 0 && (!conn_sole_holder(c) || promote_written(conn_fd(c), &x) < 0 || x != position))
		return -ESTALE;
	n = kernel_sendto(conn_fd(c), (const char *)bytes + *done, sizeof *bytes - *done, MSG_DONTWAIT | MSG_NOSIGNAL,
			  NULL, 0);
	if (n == -EAGAIN || n == -EINTR || n == -ENOMEM || n == -ENOBUFS)
		return 0;
	if (n < 0)
		return (int)n;
	*done += (size_t)n;
	return *done == sizeof *bytes;
}

void stretch_release(struct conn *c)
{
	store_release(&c->far_gate, 0);
}

bool stretch_wait(struct conn *c, uint32_t generation, int fd)
{
	long pause_ns = PAUSE_NS;

	while (load_relaxed(&c->far_gate)) {
		const struct timespec time = {0, pause_ns};

		if (pause_ns < PAUSE_MAX_NS)
			pause_ns *= 2;
		conn_put_keep(c);
		kernel_ppoll(NULL, 0, &time, NULL);
		if (!conn_get_again(c, generation, fd))
			return false;
	}
	return true;
}

/* --- the end that takes it out --- */

int stretch_channel(struct conn *c, uint64_t capacity)
{
	size_t size = WIRE_PAGE + (size_t)capacity;
	struct wire_channel *channel =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (channel == MAP_FAILED)
		return -ENOMEM;
	c->channel = channel;
	c->channel_size = size;
	c->side = 1;
	c->recv_ring = (struct ring){
		.out = conn_peer(c), .in = conn_own(c), .data = (uint8_t *)channel + WIRE_PAGE, .capacity = capacity};
	c->send_ring = (struct ring){.out = conn_own(c), .in = conn_peer(c), .capacity = WIRE_CAPACITY_MIN};
	store_release(&c->attached, 1);
	return 0;
}

/* No thread is inside a kernel read: from here on what they are given ends before POSITION. 0 or -errno. */
static int agree(struct conn *c, struct stretch *s, uint64_t position)
{
	uint64_t now;
	int error = -EAGAIN;

	shared_lock_take(&c->shared->recv_lock);
	if (promote_read(conn_fd(c), &now) == 0) {
		if (now != load_acquire(&c->shared->recv_kernel))
			error = -EIO;
		else
			error = position - now > AHEAD_MAX ? -ERANGE : 0;
	}
	if (error == 0) {
		store_release(&c->stretch, s);
		store_release(conn_recv_word(c), WORD(WIRE_COMMITTED, position));
	}
	shared_lock_drop(&c->shared->recv_lock);
	return error;
}

int stretch_expect(struct conn *c, uint64_t position, const uint64_t nonce[2])
{
	uint32_t stage = STAGE_TCP;
	struct stretch *s;
	int error = -EAGAIN;

	if (load_relaxed(&c->stretch) || load_relaxed(&process_filtered))
		return -EIO;
	if (!conn_sole_holder(c) || load_relaxed(&c->shared->shut_recv) || load_relaxed(&c->shared->foreign_epoll))
		return -EAGAIN;
	if (!load_relaxed(&c->attached) && stretch_channel(c, CAPACITY) < 0)
		return -EIO;
	s = (struct stretch *)(void *)(c->channel + 1);
	memcpy(s->bytes.nonce, nonce, sizeof s->bytes.nonce);
	if (!compare_swap(&c->shared->recv_stage, &stage, STAGE_MOVING))
		return -EIO;
	if (!promote_calls_under_way(c, &c->kernel_readers) && promote_established(conn_fd(c)))
		error = epoll_convert(c) ? agree(c, s, position) : -EIO;
	if (error == 0)
		thread_wake_pollers();
	else
		store_release(&c->shared->recv_stage, STAGE_TCP);
	return error;
}

/* Reads SIZE bytes away that were peeked at. Whether it could. */
static bool take(struct conn *c, size_t size)
{
	while (size) {
		ssize_t n = kernel_recv(conn_fd(c), NULL, size, MSG_TRUNC | MSG_DONTWAIT);

		if (n <= 0)
			return false;
		size -= (size_t)n;
	}
	return true;
}

/* What the SIZE bytes AT say: 1 the stretch, 0 its beginning, -1 something else. */
static int compare(const struct stretch *s, const void *at, size_t size)
{
	const size_t known = size < sizeof s->bytes.nonce ? size : sizeof s->bytes.nonce;

	if (memcmp(at, s->bytes.nonce, known) != 0)
		return -1;
	return size >= sizeof s->bytes;
}

/* Under the receive lock. */
static enum stretch_state decide(struct conn *c, struct stretch *s)
{
	uint64_t before = WORD_POSITION(load_relaxed(conn_recv_word(c))) - load_acquire(&c->shared->recv_kernel),
		 until = load_relaxed(&s->until_ns);
	/* First whether there will be more, then how much there is. */
	bool ended = promote_peer_ended(conn_fd(c)), orphan = until && clock_monotonic() >= until;
	uint8_t *data = c->recv_ring.data;
	int waiting = 0, found;
	size_t want;
	ssize_t n;

	if (kernel_ioctl(conn_fd(c), SIOCINQ, &waiting) < 0)
		return STRETCH_ABSENT;
	/* Not even looked at: TCP tells an error once, and not to us. */
	if ((uint64_t)waiting <= before)
		return ended ? STRETCH_ABSENT : STRETCH_AWAITED;
	want = (size_t)before + sizeof s->bytes;
	/* What the program has to read first tells nothing. More than the ring holds is not put there. */
	if ((before && (uint64_t)waiting < want && !ended) || want > c->recv_ring.capacity)
		return ended && want > c->recv_ring.capacity ? STRETCH_ABSENT : STRETCH_AWAITED;
	n = kernel_recv(conn_fd(c), data, want, MSG_PEEK | MSG_DONTWAIT);
	if (n <= (ssize_t)before)
		return ended ? STRETCH_ABSENT : STRETCH_AWAITED;
	found = compare(s, data + before, (size_t)n - before);
	if (found < 0 || (found == 0 && (ended || (orphan && (size_t)n - before < SURE))))
		return STRETCH_ABSENT;
	if (found == 0)
		return STRETCH_AWAITED;
	memcpy(&s->bytes.secret, data + before + sizeof s->bytes.nonce, sizeof s->bytes.secret);
	if (!take(c, want)) {
		/* Another holder reads behind our back: what is left makes no sense to anybody. */
		conn_reset(c, REASON_FOREIGN_IO);
		return STRETCH_ABSENT;
	}
	store_release(&conn_peer(c)->tail, before);
	fetch_add(&c->shared->recv_kernel, before);
	return STRETCH_FOUND;
}

/* Ends the wait for it, as STATE says, if it has not ended. Whether it did so. Under the receive lock. */
static bool end(struct conn *c, struct stretch *s, enum stretch_state state)
{
	if (state == STRETCH_AWAITED || load_acquire(&s->state) != STRETCH_AWAITED)
		return false;
	/* The ring, closed behind what it got: from its end on TCP has the rest. */
	ring_end(&c->recv_ring, TAIL_CLOSED);
	store_release(&s->state, state);
	return true;
}

/* Whoever slept because there was nothing to read but perhaps the stretch. */
static void tell(struct conn *c)
{
	epoll_sync(c);
	epoll_mark(c, EPOLL_MARK_DATA | EPOLLRDHUP);
	thread_wake_waiters(c);
	thread_wake_pollers();
}

bool stretch_look(struct conn *c)
{
	struct stretch *s = load_acquire(&c->stretch);
	bool ended = false;

	if (load_acquire(&s->state) != STRETCH_AWAITED)
		return true;
	shared_lock_take(&c->shared->recv_lock);
	if (load_acquire(&s->state) == STRETCH_AWAITED)
		ended = end(c, s, decide(c, s));
	shared_lock_drop(&c->shared->recv_lock);
	if (ended)
		tell(c);
	return load_acquire(&s->state) != STRETCH_AWAITED;
}

void stretch_withdraw(struct conn *c)
{
	struct stretch *s = load_acquire(&c->stretch);
	bool ended;

	if (!s)
		return;
	shared_lock_take(&c->shared->recv_lock);
	ended = end(c, s, STRETCH_ABSENT);
	shared_lock_drop(&c->shared->recv_lock);
	if (ended)
		tell(c);
}

void stretch_orphan(struct conn *c)
{
	struct stretch *s = load_acquire(&c->stretch);

	if (s && !load_relaxed(&s->until_ns))
		store_relaxed(&s->until_ns, clock_monotonic() + ORPHAN_NS);
}

bool stretch_await(struct conn *c)
{
	for (int i = 0; stretch_awaited(c) && !stretch_look(c); i++) {
		if (i == FINISH_MS)
			return false;
		kernel_sleep_ms(1);
	}
	return true;
}

void stretch_finish(struct conn *c)
{
	if (stretch_await(c))
		return;
	conn_reset(c, REASON_PROTOCOL);
	stretch_withdraw(c);
}
