/* Asking the peer to place bytes. */
#include "place.h"
#include "kernel.h"
#include "message.h"
#include "poll.h"

#include <errno.h>
#include <linux/futex.h>

#define TURN_NS 100000000 /* then it is looked whether the asker lives */
#define STALE_MAX 1000    /* answers to nobody, at once */
#define SIZE_MIN 4096     /* a message of which no memory is left is no longer tried with less */

/* A call that waits. */
struct patience {
	struct conn *c;
	uint64_t deadline_ns; /* 0: none */
};

/* Lets go of C, sleeps until FD has EVENTS, or while *WORD is VALUE, and holds C again. 0 look again, or -EINTR, -EAGAIN, -EBADF. */
static int sleep_for(struct patience *w, int fd, short events, uint32_t *word, uint32_t value)
{
	struct thread *self = &thread_self;
	struct conn *c = w->c;
	uint64_t handlers = self->handlers, interruptions = self->interruptions, now = clock_monotonic(), left = 0;
	uint32_t generation = c->generation;
	struct pollfd entry = {.fd = fd, .events = events};
	struct timespec time = {0, TURN_NS};
	int error = 0;

	if (w->deadline_ns && now >= w->deadline_ns)
		return -EAGAIN;
	if (w->deadline_ns) {
		left = w->deadline_ns - now;
		if (!word || left < TURN_NS)
			time = (struct timespec){(time_t)(left / 1000000000), (long)(left % 1000000000)};
	}
	count_add(&c->stats->sleeps, 1);
	/* Whoever closes C meanwhile keeps all of it for us. */
	thread_list_me();
	store_release(&self->waiting, c);
	full_barrier();
	conn_put_keep(c);
	/* A signal that was put off came just now. */
	if (self->interruptions != interruptions)
		error = -EINTR;
	else if (word)
		error = (int)sys_call6(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, value, (long)&time, 0, 0);
	else if (kernel_ppoll(&entry, 1, left ? &time : NULL, NULL) < 0)
		error = -errno;
	if (!conn_get_again(c, generation, conn_fd(c)))
		return -EBADF;
	store_release(&self->waiting, NULL);
	return error == -EINTR ? poll_interrupted(handlers, interruptions, w->deadline_ns != 0) : 0;
}

/* One thread asks at a time. 0, or as sleep_for(). */
static int turn_take(struct patience *w, struct place *p)
{
	uint32_t me = thread_id();

	for (;;) {
		uint32_t asker = 0;
		int error;

		if (compare_swap(&p->asker, &asker, me) || asker == me)
			return 0;
		if (sys_call2(SYS_tkill, asker, 0) == -ESRCH) {
			if (compare_swap(&p->asker, &asker, me))
				return 0;
			continue;
		}
		fetch_add(&p->waiting, 1);
		error = sleep_for(w, -1, 0, &p->asker, asker);
		if (error == -EBADF)
			return error;
		fetch_sub(&p->waiting, 1);
		if (error < 0)
			return error;
	}
}

static void turn_drop(struct place *p)
{
	exchange(&p->asker, 0);
	if (load_relaxed(&p->waiting))
		sys_call6(SYS_futex, (long)&p->asker, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

/* A handler that ran while we slept may have asked itself, and thrown our answer away. */
static bool turn_lost(const struct place *p, const struct wire_ask *ask)
{
	return load_relaxed(&p->asker) != thread_id() || load_relaxed(&p->number) != ask->number;
}

/* Sends the question; of a write's bytes as many as there is memory for. 0, or -errno. */
static int question_send(struct patience *w, struct place *p, struct wire_ask *ask, char *buf)
{
	for (;;) {
		bool write = ask->what == WIRE_PLACE_WRITE;
		struct iovec iov[2] = {{ask, sizeof *ask}, {buf, write ? ask->size : 0}};
		struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
		ssize_t n = kernel_sendmsg(p->ask, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		int error;

		if (n >= 0)
			return 0;
		if (n == -EPIPE)
			return -ECONNRESET;
		if ((n == -EMSGSIZE || n == -ENOBUFS || n == -ENOMEM) && write && ask->size > SIZE_MIN) {
			ask->size /= 2;
			continue;
		}
		if (n == -EBADF || n == -ENOTSOCK) /* the program closed what it has not opened */
			return -EPROTO;
		if (n != -EAGAIN)
			return (int)n;
		error = sleep_for(w, p->ask, POLLOUT, NULL, 0);
		if (error < 0)
			return error;
		if (turn_lost(p, ask))
			return -EINTR;
	}
}

/* Takes the answer, which is the next message; a read's bytes go to BUF. Bytes or -errno. */
static ssize_t answer_take(struct place *p, const struct wire_ask *ask, char *buf, const struct wire_answer *answer,
			   size_t length)
{
	size_t bytes = ask->what == WIRE_PLACE_READ && !answer->error ? answer->size : 0;
	struct wire_answer head;
	/* The last byte last: somebody may spin on it. */
	struct iovec iov[3] = {{&head, sizeof head}, {buf, bytes ? bytes - 1 : 0}, {bytes ? buf + bytes - 1 : buf, 1}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = bytes ? 3 : 1};
	ssize_t n;

	if (answer->size > ask->size || (!answer->error && !answer->size) || length != sizeof head + bytes ||
	    (answer->error && answer->error != EFAULT && answer->error != EACCES))
		return -EPROTO;
	n = kernel_recvmsg(p->ask, &msg, MSG_DONTWAIT);
	if (n < 0)
		return n == -EFAULT ? n : -EPROTO;
	return answer->error ? -(ssize_t)answer->error : (ssize_t)answer->size;
}

/* Waits for the answer to ASK. Bytes or -errno. */
static ssize_t answer_await(struct patience *w, struct place *p, const struct wire_ask *ask, char *buf)
{
	struct wire_answer answer;

	for (int stale = 0; stale < STALE_MAX;) {
		ssize_t n = message_peek(p->ask, &answer, sizeof answer);

		if (n == -EAGAIN) {
			int error = sleep_for(w, p->ask, POLLIN, NULL, 0);

			if (error < 0)
				return error;
			if (turn_lost(p, ask))
				return -EINTR;
		} else if (n < 0) {
			return n;
		} else if (answer.number == ask->number) {
			return answer_take(p, ask, buf, &answer, (size_t)n);
		} else {
			message_drop(p->ask);
			stale++;
		}
	}
	return -EPROTO;
}

/* Whether Q is under way. Then *ASK is what was asked. */
static bool take_up(const struct place *p, const struct place_question *q, struct wire_ask *ask)
{
	if (!q->lent || p->open.what != ask->what || p->open.offset != ask->offset || p->open_size != ask->size ||
	    p->open_buf != q->buf || p->open.number != load_relaxed(&p->number))
		return false;
	*ask = p->open;
	return true;
}

ssize_t place_ask(struct conn *c, struct place *p, const struct place_question *q)
{
	struct patience w = {.c = c, .deadline_ns = q->limit_ns ? clock_monotonic() + q->limit_ns : 0};
	struct wire_ask ask = {.what = q->write ? WIRE_PLACE_WRITE : WIRE_PLACE_READ, .offset = q->offset};
	uint32_t size = q->size > WIRE_PLACE_MAX ? WIRE_PLACE_MAX : (uint32_t)q->size;
	bool asked;
	ssize_t n;

	ask.size = size;
	n = turn_take(&w, p);
	if (n < 0)
		return n;
	if (!take_up(p, q, &ask)) {
		ask.number = load_relaxed(&p->number) + 1;
		store_relaxed(&p->number, ask.number);
		n = load_relaxed(&p->broken) ? -EPROTO : question_send(&w, p, &ask, q->buf);
	}
	asked = n == 0;
	if (asked)
		n = answer_await(&w, p, &ask, q->buf);
	/* P went with C. */
	if (n == -EBADF)
		return n;
	if (n == -EPROTO) {
		store_relaxed(&p->broken, 1);
		n = -ECONNRESET;
	}
	if (turn_lost(p, &ask))
		return n;
	p->open.what = 0;
	if (asked && q->lent && (n == -EAGAIN || n == -EINTR)) {
		p->open = ask;
		p->open_size = size;
		p->open_buf = q->buf;
	}
	turn_drop(p);
	return n;
}

void place_forked(struct place *p)
{
	if (p->ask >= 0)
		own_fd_close(p->ask);
	*p = (struct place){.ask = -1};
}

void place_fini(struct place *p)
{
	message_close(p->ask);
	p->ask = -1;
}
