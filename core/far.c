/* Finding a peer on another host. DESIGN NOTES. The acceptor connects to the very address and port that the main connection comes from. Who listens there
 * while that connection has the port can only be its own engine, or another process of its user: the kernel shares a port in use with
 * nobody else, unless the program itself set SO_REUSEADDR. A plain peer listens to nothing, and its kernel refuses. The connector, who listens, speaks
 * first; strangers are sent nothing by us.
 * An address proves nothing to the connector: anybody on the acceptor's host may come. And to the acceptor not enough. So the main connection has
 * to prove it: the acceptor announces a stretch of its stream (stretch.h), the connector agrees to take it out, and only then it is
 * written. What is in it was announced in part, so the connector knows who announced it; and in part not, so the acceptor knows who took it out.
 * Who says what and when is in wire.h. What if somebody dies, stops or lies, is there too: an acceptor that is not answered within HOLD_NS withdraws
 * and never writes; a connector that agreed goes on looking for the nonce whatever becomes of the other end, and delivers all else.
 * All is under one lock, which the thread holds for a step of all searches; no step blocks. */
#include "far.h"
#include "diag.h"
#include "iomap.h"
#include "kernel.h"
#include "lock.h"
#include "log.h"
#include "process.h"
#include "promote.h"
#include "service.h"
#include "stretch.h"
#include "trace.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BACKLOG 8
#define FIND_NS 2000000000ull /* how long one end waits for the other */
#define ABSENT_NS \
	400000000ull /* a host that refuses for so long has nobody: the connector may only just have its connection */
#define HOLD_NS 1000000000ull   /* how long an acceptor's sends wait for an agreement */
#define PROVE_NS 60000000000ull /* how long a stretch may be under way: it comes behind all that was sent before */
#define PAUSE_NS 1000000ull
#define PAUSE_MAX_NS 64000000ull
#define LOOK_MAX_NS 20000000ull
#define LINGER_MAX_NS 1000000000ull /* it may last as long as the connection, and whoever reads looks too */

#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif

enum step {
	/* The acceptor. */
	CONNECTING, /* or about to, again */
	HEARING,    /* connected: the other end speaks first */
	HOLDING,    /* about to hold the program's sends, and to announce */
	ANNOUNCED,  /* they are held */
	WRITING,    /* it agreed: the stretch goes out */
	WRITTEN,    /* they go on */
	SECOND,     /* the second connection is being made */
	JOINING,    /* it was told what it is */
	/* The connector. */
	LISTENING, /* to whoever comes */
	PROVING,   /* one of them announced a stretch, which is awaited */
	PROVEN,    /* it came: the second connection is */
	/* Either: it failed, but a stretch is awaited still. */
	LINGERING
};

/* A connection beside the main one. */
struct side {
	int fd; /* -1: none */
	bool connecting;
	uint32_t got; /* bytes of the next word */
	struct wire_far in;
	uint64_t since_ns;
};

struct far {
	struct conn *conn;
	enum step step;
	bool connects;               /* the acceptor of the main connection */
	int listener;                /* -1: none */
	struct side side[FAR_SIDES]; /* acceptor: the first, the second; connector: any */
	int first;                   /* connector: which of them announced; -1 */
	struct tuple tuple;          /* of the main connection */
	uint64_t position;           /* of the stretch; acceptor */
	struct wire_stretch stretch;
	size_t written; /* of it */
	uint32_t maps;  /* how many maps of ours the peer takes */
	uint64_t begun_ns;
	uint64_t step_ns; /* when the step fails */
	uint64_t next_ns; /* when to look without being told; 0: not */
	uint64_t pause_ns;
	struct far *next;
};

static struct lock far_lock; /* guards what follows; taken before the service's, fdtab's and a map's own */
static struct far *searches;
static uint32_t count; /* relaxed outside the lock */

/* --- sockets --- */

static void side_close(struct side *s)
{
	own_fd_close(s->fd);
	*s = (struct side){.fd = -1};
}

static void close_all(struct far *f)
{
	own_fd_close(f->listener);
	f->listener = -1;
	for (int k = 0; k < FAR_SIDES; k++)
		side_close(&f->side[k]);
}

static int own_name(const struct far *f, struct sockaddr_storage *name, socklen_t *size)
{
	*size = sizeof *name;
	return (int)sys_call3(SYS_getsockname, conn_fd(f->conn), name, size);
}

/* A socket that takes the way of the main connection. */
static int socket_beside(const struct far *f, const struct sockaddr_storage *name)
{
	const int on = 1;
	int fd = own_fd(kernel_socket(name->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP)),
	    device = 0;
	socklen_t size = sizeof device;

	if (fd < 0)
		return fd;
	if (kernel_getsockopt(conn_fd(f->conn), SOL_SOCKET, SO_BINDTOIFINDEX, &device, &size) == 0 && device)
		kernel_setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &device, sizeof device);
	kernel_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

/* Listens where our end of the main connection is. SO_REUSEPORT shares that with sockets of this user alone, and only while both have it. 0 or -errno. */
static int listen_beside(struct far *f)
{
	const int on = 1, off = 0;
	struct sockaddr_storage name;
	socklen_t size, length = sizeof(int);
	int main = conn_fd(f->conn), fd, had = 0, error = own_name(f, &name, &size);

	if (error < 0)
		return error;
	fd = socket_beside(f, &name);
	if (fd < 0)
		return fd;
	kernel_getsockopt(main, SOL_SOCKET, SO_REUSEPORT, &had, &length);
	if (!had)
		kernel_setsockopt(main, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	kernel_setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	error = (int)sys_call3(SYS_bind, fd, &name, size);
	if (error == 0)
		error = (int)sys_call2(SYS_listen, fd, BACKLOG);
	if (!had)
		kernel_setsockopt(main, SOL_SOCKET, SO_REUSEPORT, &off, sizeof off);
	kernel_setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &off, sizeof off);
	if (error < 0) {
		own_fd_close(fd);
		return error;
	}
	f->listener = fd;
	return 0;
}

/* Connects from our address to the other end's. 0 or -errno. */
static int connect_beside(struct far *f, struct side *s)
{
	struct sockaddr_storage name, peer;
	socklen_t size, peer_size = sizeof peer;
	int error = own_name(f, &name, &size);

	if (error == 0)
		error = (int)sys_call3(SYS_getpeername, conn_fd(f->conn), &peer, &peer_size);
	if (error < 0)
		return error;
	*s = (struct side){.fd = socket_beside(f, &name), .connecting = true};
	if (s->fd < 0)
		return s->fd;
	if (name.ss_family == AF_INET)
		((struct sockaddr_in *)&name)->sin_port = 0;
	else
		((struct sockaddr_in6 *)&name)->sin6_port = 0;
	error = (int)sys_call3(SYS_bind, s->fd, &name, size);
	if (error == 0)
		error = (int)sys_call3(SYS_connect, s->fd, &peer, peer_size);
	return error == -EINPROGRESS ? 0 : error;
}

/* 1 S is connected, 0 not yet, or -errno. */
static int connected(struct side *s)
{
	int error = 0;
	socklen_t size = sizeof error;

	if (!s->connecting)
		return 1;
	if (!(kernel_poll_now(s->fd, POLLOUT) & (POLLOUT | POLLERR | POLLHUP)))
		return 0;
	kernel_getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	s->connecting = false;
	return error ? -error : 1;
}

/* 1 a word is there, in S->in; 0 not yet; -errno: the other end is gone, or a stranger. */
static int hear(struct side *s)
{
	ssize_t n = kernel_recv(s->fd, (char *)&s->in + s->got, sizeof s->in - s->got, MSG_DONTWAIT);

	if (n == -EAGAIN || n == -EINTR)
		return 0;
	if (n <= 0)
		return n < 0 ? (int)n : -ECONNRESET;
	s->got += (uint32_t)n;
	if (s->got < sizeof s->in)
		return 0;
	s->got = 0;
	return s->in.magic == WIRE_MAGIC && s->in.version == WIRE_VERSION ? 1 : -EPROTO;
}

/* Whether all of it went; there always is room for so little. */
static bool say(const struct side *s, struct wire_far *word)
{
	word->magic = WIRE_MAGIC;
	word->version = WIRE_VERSION;
	return kernel_sendto(s->fd, word, sizeof *word, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0) == sizeof *word;
}

/* --- the acceptor --- */

static void pause_before_next(struct far *f, uint64_t now)
{
	f->next_ns = now + f->pause_ns;
	if (f->pause_ns < PAUSE_MAX_NS)
		f->pause_ns *= 2;
}

static void step_on(struct far *f, enum step step, uint64_t until_ns)
{
	f->step = step;
	f->step_ns = until_ns;
	f->next_ns = 0;
	f->pause_ns = PAUSE_NS;
}

/* Each step: 1 it was taken, and the next one may be; 0 not yet; -errno: the search fails. */

static int try_connect(struct far *f, struct side *s, uint64_t now)
{
	int error;

	if (s->fd < 0) {
		if (now < f->next_ns)
			return 0;
		f->next_ns = 0;
		error = connect_beside(f, s);
	} else {
		error = connected(s);
	}
	if (error >= 0)
		return error;
	side_close(s);
	if (error != -ECONNREFUSED || now - f->begun_ns > ABSENT_NS)
		return error;
	pause_before_next(f, now);
	return 0;
}

/* The other end's first word. */
static int hear_hello(struct side *s)
{
	int error = hear(s);

	return error == 1 && (s->in.what != WIRE_FAR_HELLO || s->in.maps > WIRE_MAPS_MAX) ? -EPROTO : error;
}

static int announce(struct far *f, uint64_t now)
{
	struct wire_far word = {.what = WIRE_FAR_ANNOUNCE, .maps = f->conn->rsocket.iomap_size};
	int error;

	if (now < f->next_ns)
		return 0;
	error = stretch_hold(f->conn, &f->position);
	if (error == -EAGAIN) {
		pause_before_next(f, now);
		if (f->next_ns > now + 4 * PAUSE_NS) /* a program that sends all the time leaves short gaps */
			f->next_ns = now + 4 * PAUSE_NS;
		return 0;
	}
	if (error < 0)
		return error;
	word.position = f->position;
	memcpy(word.nonce, f->stretch.nonce, sizeof word.nonce);
	if (!say(&f->side[0], &word)) {
		stretch_release(f->conn);
		return -ECONNRESET;
	}
	return 1;
}

/* Nothing was written, and nothing will be. */
static void withdraw(struct far *f)
{
	struct wire_far word = {.what = WIRE_FAR_WITHDRAWN};

	say(&f->side[0], &word);
	stretch_release(f->conn);
}

static int hear_answer(struct far *f, uint64_t now)
{
	struct side *s = &f->side[0];
	int error = hear(s);

	if (error <= 0)
		return error;
	if (s->in.what == WIRE_FAR_EXPECTED)
		return 1;
	if (s->in.what != WIRE_FAR_BUSY)
		return -EPROTO;
	/* A thread of the other end reads: it is tried again, and in between the program gets on. */
	stretch_release(f->conn);
	f->step = HOLDING;
	f->step_ns = f->begun_ns + FIND_NS;
	pause_before_next(f, now);
	return 0;
}

static int write_stretch(struct far *f, uint64_t now)
{
	int done = stretch_write(f->conn, f->position, &f->stretch, &f->written);

	if (done == 0)
		f->next_ns = now + PAUSE_NS;
	if (done == 1)
		stretch_release(f->conn);
	return done;
}

/* It has been read by whoever speaks to us, and nobody else. */
static int hear_found(struct far *f)
{
	struct side *s = &f->side[0];
	int error = hear(s);

	if (error <= 0)
		return error;
	return s->in.what == WIRE_FAR_FOUND && memcmp(s->in.nonce, f->stretch.secret, sizeof s->in.nonce) == 0
		       ? 1
		       : -EPROTO;
}

static int join(struct far *f)
{
	struct wire_far word = {.what = WIRE_FAR_SECOND};
	struct side *s = &f->side[1];
	int error = connected(s);

	if (error == 1)
		error = hear_hello(s);
	if (error <= 0)
		return error;
	memcpy(word.nonce, f->stretch.secret, sizeof word.nonce);
	return say(s, &word) ? 1 : -ECONNRESET;
}

/* The two are the connection's from now on. It has a channel then, as all that may have completions to tell. */
static int meet(struct far *f, struct side *ask, struct side *serve)
{
	int error = load_relaxed(&f->conn->attached) ? 0 : stretch_channel(f->conn, WIRE_CAPACITY_MIN);

	if (error == 0)
		error = iomap_meet_far(f->conn, ask->fd, serve->fd, f->maps);

	if (error == 0)
		ask->fd = serve->fd = -1;
	return error;
}

static int hear_done(struct far *f)
{
	struct side *s = &f->side[1];
	int error = hear(s);

	if (error <= 0)
		return error;
	if (s->in.what != WIRE_FAR_DONE)
		return -EPROTO;
	return meet(f, &f->side[1], &f->side[0]);
}

/* As a step, but 1: met. */
static int step_acceptor(struct far *f, uint64_t now)
{
	int done = 1;

	while (done == 1)
		switch (f->step) {
		case CONNECTING:
			done = try_connect(f, &f->side[0], now);
			if (done == 1)
				step_on(f, HEARING, f->begun_ns + FIND_NS);
			break;
		case HEARING:
			done = hear_hello(&f->side[0]);
			f->maps = f->side[0].in.maps;
			if (done == 1)
				step_on(f, HOLDING, f->begun_ns + FIND_NS);
			break;
		case HOLDING:
			done = announce(f, now);
			if (done == 1)
				step_on(f, ANNOUNCED, now + HOLD_NS);
			break;
		case ANNOUNCED:
			done = hear_answer(f, now);
			if (done == 1)
				step_on(f, WRITING, now + HOLD_NS);
			break;
		case WRITING:
			done = write_stretch(f, now);
			if (done == 1)
				step_on(f, WRITTEN, now + PROVE_NS);
			break;
		case WRITTEN:
			done = hear_found(f);
			if (done == 1)
				done = connect_beside(f, &f->side[1]) < 0 ? -ECONNRESET : 1;
			if (done == 1)
				step_on(f, SECOND, now + FIND_NS);
			break;
		case SECOND:
			done = join(f);
			if (done == 1)
				step_on(f, JOINING, now + FIND_NS);
			break;
		default:
			done = hear_done(f);
			return done == 0 && f->side[1].fd < 0 ? 1 : done;
		}
	return done;
}

/* --- the connector --- */

/* The place for one more: a free one, or that of who has said nothing for longest. */
static struct side *place_for(struct far *f)
{
	struct side *oldest = NULL;

	for (int k = 0; k < FAR_SIDES; k++) {
		if (f->side[k].fd < 0)
			return &f->side[k];
		if (k != f->first && (!oldest || f->side[k].since_ns < oldest->since_ns))
			oldest = &f->side[k];
	}
	side_close(oldest);
	return oldest;
}

static void accept_some(struct far *f, uint64_t now)
{
	for (int i = 0; i < BACKLOG; i++) {
		const int on = 1;
		struct wire_far word = {.what = WIRE_FAR_HELLO, .maps = f->conn->rsocket.iomap_size};
		int fd = own_fd((int)sys_call4(SYS_accept4, f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
		struct side *s;
		struct tuple t;

		if (fd < 0)
			return;
		if (tuple_of(fd, &t) < 0 || t.family != f->tuple.family ||
		    memcmp(t.peer, f->tuple.peer, sizeof t.peer) != 0) {
			own_fd_close(fd);
			continue;
		}
		s = place_for(f);
		*s = (struct side){.fd = fd, .since_ns = now};
		kernel_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		if (!say(s, &word))
			side_close(s);
	}
}

/* S announced a stretch. False: it is no longer listened to. */
static bool announced(struct far *f, struct side *s, uint64_t now)
{
	struct wire_far word = {.what = WIRE_FAR_EXPECTED};
	int error = -EPROTO;

	if (f->step == LISTENING && s->in.maps <= WIRE_MAPS_MAX && s->in.maps)
		error = stretch_expect(f->conn, s->in.position, s->in.nonce);
	if (error == -EAGAIN) {
		word.what = WIRE_FAR_BUSY;
		return say(s, &word);
	}
	if (error < 0)
		return false;
	f->first = (int)(s - f->side);
	f->maps = s->in.maps;
	step_on(f, PROVING, now + PROVE_NS);
	f->next_ns = now;
	/* Not said, it is gone, and that is seen to below. */
	return say(s, &word);
}

static bool is_second(const struct far *f, const struct side *s)
{
	return f->step == PROVEN && s->in.what == WIRE_FAR_SECOND &&
	       memcmp(s->in.nonce, f->stretch.secret, sizeof s->in.nonce) == 0;
}

/* As a step, but 1: met. */
static int hear_sides(struct far *f, uint64_t now)
{
	for (int k = 0; k < FAR_SIDES; k++) {
		struct side *s = &f->side[k];
		bool keep;
		int heard;

		/* Once it is proven, what comes there is answers to us. */
		if (s->fd < 0 || (k == f->first && f->step == PROVEN))
			continue;
		heard = hear(s);
		if (heard == 0)
			continue;
		if (k == f->first) {
			if (heard == 1 && s->in.what == WIRE_FAR_WITHDRAWN)
				stretch_withdraw(f->conn);
			else
				stretch_orphan(f->conn);
			return -ECONNRESET;
		}
		if (heard == 1 && is_second(f, s)) {
			const struct side second = *s;
			struct wire_far word = {.what = WIRE_FAR_DONE};

			heard = meet(f, &f->side[f->first], s);
			if (heard == 0)
				say(&second, &word);
			return heard < 0 ? heard : 1;
		}
		keep = heard == 1 && s->in.what == WIRE_FAR_ANNOUNCE && announced(f, s, now);
		if (keep)
			continue;
		if (k == f->first) {
			stretch_orphan(f->conn);
			return -ECONNRESET;
		}
		side_close(s);
	}
	return 0;
}

/* Looks for the stretch that is awaited. */
static int prove(struct far *f, uint64_t now)
{
	struct wire_far word = {.what = WIRE_FAR_FOUND};
	struct stretch *s = f->conn->stretch;

	if (!stretch_look(f->conn)) {
		f->next_ns = now + f->pause_ns;
		if (f->pause_ns < LOOK_MAX_NS)
			f->pause_ns += f->pause_ns / 8;
		return 0;
	}
	if (load_acquire(&s->state) != STRETCH_FOUND)
		return -EPROTO;
	f->stretch = s->bytes;
	memcpy(word.nonce, f->stretch.secret, sizeof word.nonce);
	if (!say(&f->side[f->first], &word))
		return -ECONNRESET;
	step_on(f, PROVEN, now + FIND_NS);
	return 0;
}

static int step_connector(struct far *f, uint64_t now)
{
	int done;

	if (f->step == LISTENING)
		f->next_ns = 0;
	accept_some(f, now);
	done = hear_sides(f, now);
	if (done == 0 && f->step == PROVING)
		done = prove(f, now);
	return done;
}

/* --- all of them --- */

/* Nobody waits for it any more. */
static void tell_over(struct far *f, int error)
{
	if (load_relaxed(&f->conn->far) == FAR_OVER)
		return;
	if (error < 0) {
		log_at(LOG_DEBUG, "descriptor %d: no placement between hosts: error %d", conn_fd(f->conn), -error);
		iomap_refuse(f->conn);
	}
	store_relaxed(&f->conn->over, 1);
	store_relaxed(&f->conn->far, FAR_OVER);
}

/* Whatever F has under way on the main connection is brought to an end. */
static void leave(struct far *f)
{
	if (f->step == ANNOUNCED || (f->step == WRITING && !f->written)) {
		withdraw(f);
	} else if (f->step == WRITING) {
		/* A part of it is there: the rest belongs behind it. */
		stretch_write(f->conn, f->position, &f->stretch, &f->written);
		if (f->written < sizeof f->stretch)
			conn_reset(f->conn, REASON_PROTOCOL);
		stretch_release(f->conn);
	}
	if (f->step == PROVING)
		stretch_orphan(f->conn);
	close_all(f);
}

static void fail(struct far *f, int error, uint64_t now)
{
	leave(f);
	tell_over(f, error);
	step_on(f, LINGERING, UINT64_MAX);
	f->next_ns = now;
}

/* Whether F is to be forgotten. */
static bool step(struct far *f, uint64_t now)
{
	int done = 0;

	if (f->step != LINGERING) {
		done = f->connects ? step_acceptor(f, now) : step_connector(f, now);
		if (done == 0 && now > f->step_ns)
			done = -ETIMEDOUT;
		/* A filter may kill for what a search does. */
		if (load_relaxed(&process_filtered))
			done = -EPERM;
	}
	if (done == 1) {
		tell_over(f, 0);
		close_all(f);
		return true;
	}
	if (done < 0)
		fail(f, done, now);
	if (f->step != LINGERING)
		return false;
	if (!stretch_awaited(f->conn) || stretch_look(f->conn))
		return true;
	f->next_ns = now + f->pause_ns;
	if (f->pause_ns < LINGER_MAX_NS)
		f->pause_ns *= 2;
	return false;
}

static void forget(struct far **at)
{
	struct far *f = *at;

	*at = f->next;
	store_relaxed(&count, count - 1);
	free(f);
}

int far_begin(struct conn *c)
{
	struct far *f;
	int error = 0;

	if (!c->rsocket.made || !c->rsocket.iomap_size || load_relaxed(&c->stretch) || load_relaxed(&process_filtered))
		return -EOPNOTSUPP;
	if (load_relaxed(&count) >= FAR_MAX)
		return -EAGAIN;
	f = calloc(1, sizeof *f);
	if (!f)
		return -EOPNOTSUPP;
	/* Here, and not first in the thread. */
	promote_learn(c);
	*f = (struct far){.conn = c,
			  .connects = c->accepted,
			  .listener = -1,
			  .first = -1,
			  .begun_ns = clock_monotonic(),
			  .pause_ns = PAUSE_NS};
	for (int k = 0; k < FAR_SIDES; k++)
		f->side[k].fd = -1;
	step_on(f, f->connects ? CONNECTING : LISTENING, f->begun_ns + FIND_NS);
	f->next_ns = f->begun_ns;
	if (tuple_of(conn_fd(c), &f->tuple) < 0 || !kernel_random(&f->stretch, sizeof f->stretch))
		error = -EOPNOTSUPP;
	if (error == 0 && !f->connects)
		error = listen_beside(f);
	if (error < 0) {
		log_at(LOG_INFO, "descriptor %d: no placement between hosts: error %d", conn_fd(c), -error);
		trace_blame(-error);
		free(f);
		return -EOPNOTSUPP;
	}
	lock_take(&far_lock);
	store_relaxed(&c->far, FAR_SEARCHING);
	f->next = searches;
	searches = f;
	store_relaxed(&count, count + 1);
	lock_drop(&far_lock);
	if (service_run() < 0) {
		far_end(c);
		return -EOPNOTSUPP;
	}
	return 0;
}

void far_end(struct conn *c)
{
	if (!load_relaxed(&c->far))
		return;
	lock_take(&far_lock);
	for (struct far **at = &searches; *at; at = &(*at)->next)
		if ((*at)->conn == c) {
			leave(*at);
			tell_over(*at, -ECANCELED);
			forget(at);
			break;
		}
	lock_drop(&far_lock);
}

void far_return(struct conn *c)
{
	/* Its announcer, if that is one of ours, writes it soon; and the thread goes on meanwhile. */
	if (stretch_awaited(c))
		stretch_finish(c);
	far_end(c);
	if (stretch_awaited(c))
		stretch_finish(c);
}

/* Whether the step that F is at goes on by what comes on side K. What it does not listen to must not wake the thread again and again. */
static bool hears(const struct far *f, int k)
{
	if (!f->connects)
		return k != f->first || f->step != PROVEN;
	if (f->step == SECOND || f->step == JOINING)
		return k == 1;
	return k == 0 && f->step != HOLDING && f->step != WRITING;
}

bool far_any(void)
{
	return load_relaxed(&count);
}

unsigned far_collect(struct pollfd *polled, uint64_t *wait_ns)
{
	unsigned entries = 0;
	uint64_t now = clock_monotonic();

	lock_take(&far_lock);
	for (struct far *f = searches; f; f = f->next) {
		uint64_t wake = f->next_ns && f->next_ns < f->step_ns ? f->next_ns : f->step_ns;

		if (entries + FAR_SIDES + 1 > FAR_POLLED)
			break;
		if (f->listener >= 0)
			polled[entries++] = (struct pollfd){.fd = f->listener, .events = POLLIN};
		for (int k = 0; k < FAR_SIDES; k++)
			if (f->side[k].fd >= 0 && hears(f, k))
				polled[entries++] = (struct pollfd){.fd = f->side[k].fd,
								    .events = f->side[k].connecting ? POLLOUT : POLLIN};
		wake = wake > now ? wake - now : 0;
		if (wake < *wait_ns)
			*wait_ns = wake;
	}
	lock_drop(&far_lock);
	return entries;
}

void far_work(void)
{
	uint64_t now = clock_monotonic();

	critical_enter();
	lock_take(&far_lock);
	for (struct far **at = &searches; *at;)
		if (step(*at, now))
			forget(at);
		else
			at = &(*at)->next;
	lock_drop(&far_lock);
	critical_exit();
}

void far_abandon(void)
{
	uint64_t now = clock_monotonic();

	critical_enter();
	lock_take(&far_lock);
	while (searches) {
		fail(searches, -EBADF, now);
		forget(&searches);
	}
	lock_drop(&far_lock);
	critical_exit();
}

void far_fork_prepare(void)
{
	critical_enter();
	lock_take(&far_lock);
	for (struct far *f = searches; f; f = f->next)
		if (f->step == ANNOUNCED || f->step == WRITING)
			fail(f, -ECANCELED, clock_monotonic());
}

void far_fork_parent(void)
{
	lock_drop(&far_lock);
	critical_exit();
}

void far_fork_child(void)
{
	for (struct far *f = searches, *next; f; f = next) {
		next = f->next;
		close_all(f);
		free(f);
	}
	searches = NULL;
	store_relaxed(&count, 0);
	store_relaxed(&far_lock.word, 0);
}

void far_forked(struct conn *c)
{
	/* What the parent found is the parent's. */
	if (load_relaxed(&c->far) == FAR_SEARCHING)
		store_relaxed(&c->far, FAR_NOT);
	store_relaxed(&c->far_gate, 0);
}
