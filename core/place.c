/* Asking the peer to place bytes. */
#include "place.h"
#include "kernel.h"
#include "message.h"
#include "poll.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>

#define TURN_NS 100000000 /* then it is looked whether the asker lives */
#define UNANSWERED_MAX 64 /* questions to another host, most of which nobody waits for any more */
#define SIZE_MIN 4096     /* a message of which no memory is left is no longer tried with less */

/* A call that waits. */
struct patience {
	struct conn *c;
	uint64_t deadline_ns; /* 0: none */
	bool far;             /* the peer is on another host */
};

/* Lets go of C, sleeps until FD has EVENTS, or while *WORD is VALUE, and holds C again. 0 look again, or -EINTR, -EAGAIN, -EBADF, -ECONNRESET. */
static int sleep_for(struct patience *w, int fd, short events, uint32_t *word, uint32_t value)
{
	struct thread *self = &thread_self;
	struct conn *c = w->c;
	uint64_t handlers = self->handlers, interruptions = self->interruptions, now = clock_monotonic(), left = 0;
	uint32_t generation = c->generation;
	struct pollfd entry = {.fd = fd, .events = events};
	struct timespec time = {0, TURN_NS};
	bool look = word || w->far;
	int error = 0;

	/* Of a host that is gone only the connection with keepalive, or with unacknowledged bytes, ever learns. */
	if (w->far && (kernel_poll_now(conn_fd(c), 0) & POLLHUP))
		return -ECONNRESET;
	if (w->deadline_ns && now >= w->deadline_ns)
		return -EAGAIN;
	if (w->deadline_ns) {
		left = w->deadline_ns - now;
		if (!look || left < TURN_NS)
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
	else if (kernel_ppoll(&entry, 1, left || look ? &time : NULL, NULL) < 0)
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

/* The next answer is thrown away, if there is one. 0 or -errno. */
static int answer_drop(struct place *p)
{
	struct wire_answer answer;
	ssize_t n = message_peek(p->ask, &answer, sizeof answer);

	if (n < 0)
		return n == -EAGAIN ? 0 : (int)n;
	message_drop(p->ask);
	return p->unanswered-- ? 0 : -EPROTO;
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

		if (n >= 0) {
			p->unanswered++;
			return 0;
		}
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
		/* The peer may be waiting for room itself. */
		error = answer_drop(p);
		if (error == 0)
			error = sleep_for(w, p->ask, POLLIN | POLLOUT, NULL, 0);
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

	if (!p->unanswered || answer->size > ask->size || (!answer->error && !answer->size) ||
	    length != sizeof head + bytes || (answer->error && answer->error != EFAULT && answer->error != EACCES))
		return -EPROTO;
	n = kernel_recvmsg(p->ask, &msg, MSG_DONTWAIT);
	if (n < 0)
		return n == -EFAULT ? n : -EPROTO;
	p->unanswered--;
	return answer->error ? -(ssize_t)answer->error : (ssize_t)answer->size;
}

/* Waits for the answer to ASK. Bytes or -errno. */
static ssize_t answer_await(struct patience *w, struct place *p, const struct wire_ask *ask, char *buf)
{
	struct wire_answer answer;

	for (;;) {
		ssize_t n = message_peek(p->ask, &answer, sizeof answer);
		int error;

		if (n >= 0 && answer.number == ask->number)
			return answer_take(p, ask, buf, &answer, (size_t)n);
		error = n >= 0 ? answer_drop(p) : (int)n;
		if (error == -EAGAIN) {
			error = sleep_for(w, p->ask, POLLIN, NULL, 0);
			if (error == 0 && turn_lost(p, ask))
				return -EINTR;
		}
		if (error < 0)
			return error;
	}
}

/* --- between hosts --- */

static bool in_headed(const struct place *p)
{
	return p->in_got == sizeof p->in;
}

/* The head of the next answer is there: whether it makes sense. */
static bool in_sensible(const struct wire_answer *in)
{
	return in->bytes <= WIRE_PLACE_MAX && in->size <= WIRE_PLACE_MAX && (!in->bytes || in->bytes == in->size) &&
	       (in->error ? (in->error == EFAULT || in->error == EACCES) && !in->size : in->size != 0);
}

/* recv() of the next answer, its head first. What follows that goes to BUF if it is OURS, or nowhere. > 0, or -errno. */
static ssize_t in_take(struct place *p, bool ours, char *buf)
{
	char nowhere[4096];
	const bool headed = in_headed(p);
	char *to = (char *)&p->in + p->in_got;
	size_t size = headed ? p->in_left : sizeof p->in - p->in_got;
	struct iovec iov[2];
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t n;

	if (headed && ours) {
		to = buf + (p->in.size - p->in_left);
	} else if (headed) {
		to = nowhere;
		size = size < sizeof nowhere ? size : sizeof nowhere;
	}
	/* The last byte last: somebody may spin on it. */
	iov[0] = (struct iovec){to, size - 1};
	iov[1] = (struct iovec){to + size - 1, 1};
	n = kernel_recvmsg(p->ask, &msg, MSG_DONTWAIT);
	if (n == -EBADF || n == -ENOTSOCK)
		return -EPROTO;
	if (n <= 0)
		return n == -EAGAIN || n == -EFAULT ? n : -ECONNRESET;
	if (headed) {
		p->in_left -= (uint32_t)n;
		return n;
	}
	p->in_got += (uint32_t)n;
	if (!in_headed(p))
		return n;
	p->in_left = p->in.bytes;
	return p->unanswered && in_sensible(&p->in) ? n : -EPROTO;
}

/* Whether all of an answer is there; then the next one is next. */
static bool in_whole(struct place *p)
{
	if (!in_headed(p) || p->in_left)
		return false;
	p->in_got = 0;
	p->unanswered--;
	return true;
}

/* Sends what is left of the question in P. 0, or -errno. */
static int out_send(struct patience *w, struct place *p, const struct wire_ask *ask)
{
	while (p->out_sent < p->out_size) {
		ssize_t n = kernel_sendto(p->ask, (char *)p->out + p->out_sent, p->out_size - p->out_sent,
					  MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
		int error;

		if (n > 0) {
			p->out_sent += (uint32_t)n;
			continue;
		}
		if (n == -EBADF || n == -ENOTSOCK)
			return -EPROTO;
		if (n != -EAGAIN && n != -ENOBUFS && n != -ENOMEM)
			return -ECONNRESET;
		/* The peer may be waiting for room itself, for answers that nobody waits for. */
		n = in_take(p, false, NULL);
		if (n < 0 && n != -EAGAIN)
			return (int)n;
		in_whole(p);
		error = sleep_for(w, p->ask, POLLIN | POLLOUT, NULL, 0);
		if (error < 0)
			return error;
		if (turn_lost(p, ask))
			return -EINTR;
	}
	return 0;
}

/* Waits for the answer to ASK, or until no more than LEFT questions are unanswered. Of an answer to ASK what was taken before is in BUF. Bytes or
 * -errno. */
static ssize_t answer_stream(struct patience *w, struct place *p, const struct wire_ask *ask, char *buf, uint32_t left)
{
	while (p->unanswered > left) {
		const bool ours = in_headed(p) && p->in.number == ask->number;
		ssize_t n;

		if (ours && (p->in.size > ask->size || p->in.bytes != (ask->what == WIRE_PLACE_READ ? p->in.size : 0)))
			return -EPROTO;
		if (in_whole(p)) {
			if (ours)
				return p->in.error ? -(ssize_t)p->in.error : (ssize_t)p->in.size;
			continue;
		}
		n = in_take(p, ours, buf);
		if (n == -EAGAIN) {
			n = sleep_for(w, p->ask, POLLIN, NULL, 0);
			if (n == 0 && turn_lost(p, ask))
				n = -EINTR;
		}
		if (n < 0)
			return n;
	}
	return left ? 0 : -EPROTO;
}

/* As question_send. Of a question that a call left in the midst of, the rest goes first: the peer waits for it. *ASKED: whoever comes next
 * sends what is left of this one. */
static int question_stream(struct patience *w, struct place *p, const struct wire_ask *ask, const char *buf,
			   bool *asked)
{
	size_t bytes = ask->what == WIRE_PLACE_WRITE ? ask->size : 0;
	int error = out_send(w, p, ask);

	if (error == 0)
		error = (int)answer_stream(w, p, ask, NULL, UNANSWERED_MAX - 1);
	if (error < 0)
		return error;
	*p->out = *ask;
	if (bytes)
		memcpy(p->out + 1, buf, bytes);
	p->out_sent = 0;
	p->out_size = (uint32_t)(sizeof *ask + bytes);
	p->unanswered++;
	*asked = true;
	return out_send(w, p, ask);
}

/* --- */

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
	struct patience w = {
		.c = c, .deadline_ns = q->limit_ns ? clock_monotonic() + q->limit_ns : 0, .far = p->out != NULL};
	struct wire_ask ask = {.what = q->write ? WIRE_PLACE_WRITE : WIRE_PLACE_READ, .offset = q->offset};
	uint32_t size = q->size > WIRE_PLACE_MAX ? WIRE_PLACE_MAX : (uint32_t)q->size;
	bool asked;
	ssize_t n;

	ask.size = size;
	n = turn_take(&w, p);
	if (n < 0)
		return n;
	asked = take_up(p, q, &ask);
	if (!asked) {
		ask.number = load_relaxed(&p->number) + 1;
		store_relaxed(&p->number, ask.number);
	}
	if (load_relaxed(&p->broken)) {
		n = -EPROTO;
	} else if (w.far) {
		n = asked ? out_send(&w, p, &ask) : question_stream(&w, p, &ask, q->buf, &asked);
	} else if (!asked) {
		n = question_send(&w, p, &ask, q->buf);
		asked = n == 0;
	}
	if (n == 0)
		n = w.far ? answer_stream(&w, p, &ask, q->buf, 0) : answer_await(&w, p, &ask, q->buf);
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

int place_far(struct place *p, int fd)
{
	p->out = malloc(sizeof *p->out + WIRE_PLACE_MAX);
	if (!p->out)
		return -ENOMEM;
	p->ask = fd;
	return 0;
}

void place_forked(struct place *p)
{
	if (p->ask >= 0)
		own_fd_close(p->ask);
	free(p->out);
	*p = (struct place){.ask = -1};
}

void place_fini(struct place *p)
{
	if (p->out)
		own_fd_close(p->ask);
	else
		message_close(p->ask);
	free(p->out);
	p->out = NULL;
	p->ask = -1;
}
