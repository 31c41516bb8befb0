/* The rendezvous. DESIGN NOTES. Names live in the abstract unix namespace, so they share the lifetime and the network
 * namespace of the TCP ports that they are made of. Who answers under a name proves nothing: the uid that the kernel reports for the unix
 * peer must own the other end of this very 4-tuple, and the message must carry the cookie that the kernel gave that end. */
#include "rendezvous.h"
#include "config.h"
#include "fdtab.h"
#include "iomap.h"
#include "kernel.h"
#include "log.h"
#include "message.h"
#include "process.h"
#include "promote.h"
#include "reach.h"
#include "rules.h"
#include "trace.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>

#define LISTENERS_MAX 256
#define AUTO_CAPACITY_MAX (16ull << 20) /* more than loopback TCP was ever seen to hold (9.6 MB) */
#define BACKLOG 4
#define VERDICT_NS 60000000000ull /* a peer that got a grant has so long for its next call */

static unsigned listeners;

bool rendezvous_full(void)
{
	return load_relaxed(&listeners) >= own_fds_max(LISTENERS_MAX);
}

static char *put_end(char *p, const uint8_t addr[16], uint16_t port)
{
	static const char hex[] = "0123456789abcdef";

	for (int i = 0; i < 16; i++) {
		*p++ = hex[addr[i] >> 4];
		*p++ = hex[addr[i] & 15];
	}
	for (int shift = 12; shift >= 0; shift -= 4)
		*p++ = hex[port >> shift & 15];
	return p;
}

static socklen_t rendezvous_address(const struct rendezvous *r, struct sockaddr_un *un)
{
	static const char prefix[] = "rsocket-1-";
	const struct tuple *t = &r->tuple;
	char *p = un->sun_path;

	un->sun_family = AF_UNIX;
	*p++ = 0;
	memcpy(p, prefix, sizeof prefix - 1);
	p += sizeof prefix - 1;
	*p++ = t->family == AF_INET ? '4' : '6';
	/* The lower end first, from both ends' view. */
	p = r->side == 0 ? put_end(p, t->local, t->local_port) : put_end(p, t->peer, t->peer_port);
	p = r->side == 0 ? put_end(p, t->peer, t->peer_port) : put_end(p, t->local, t->local_port);
	return (socklen_t)(p - (char *)un);
}

static bool local_address(const struct tuple *t)
{
	static const uint8_t loopback6[16] = {[15] = 1};

	return memcmp(t->local, t->peer, 16) == 0 ||
	       (t->family == AF_INET ? t->peer[0] == 127 : memcmp(t->peer, loopback6, 16) == 0);
}

static int listen_here(struct rendezvous *r)
{
	struct sockaddr_un un;
	socklen_t size = rendezvous_address(r, &un);
	int fd = message_socket(), error;

	if (fd < 0)
		return fd;
	error = (int)sys_call3(SYS_bind, fd, &un, size);
	if (error == 0)
		error = (int)sys_call2(SYS_listen, fd, BACKLOG);
	if (error < 0) {
		own_fd_close(fd);
		return error;
	}
	fetch_add(&listeners, 1);
	r->listener = fd;
	return 0;
}

struct rule_subject rendezvous_subject(const struct conn *c, const struct tuple *t)
{
	struct rule_subject subject = {.is_server = c->accepted,
				       .family = t->family == AF_INET ? AF_INET : AF_INET6,
				       .port = c->accepted ? t->local_port : t->peer_port};

	memcpy(subject.peer, t->peer, sizeof subject.peer);
	return subject;
}

/* Whether the rules let the connection leave TCP. */
static bool allowed(const struct conn *c, const struct tuple *t)
{
	struct rule_subject subject = rendezvous_subject(c, t);

	return rules_allow(&subject);
}

struct rendezvous *rendezvous_new(struct conn *c, enum reason *reason, bool *retry)
{
	struct rendezvous *r;
	struct tuple t;
	struct diag_owner owner = {0};
	int error = tuple_of(conn_fd(c), &t), order;

	*retry = false;
	if (error < 0) {
		*retry = error == -ENOTCONN;
		*reason = error == -ENOTCONN ? REASON_NEW : REASON_SOCKET_FEATURE;
		return NULL;
	}
	store_relaxed(&c->stats->family, t.family);
	store_relaxed(&c->stats->local_port, t.local_port);
	store_relaxed(&c->stats->peer_port, t.peer_port);
	memcpy(c->stats->local_addr, t.local, 16);
	memcpy(c->stats->peer_addr, t.peer, 16);
	if (!load_relaxed(&c->never) && (settings()->transport == TRANSPORT_SETTING_TCP || !allowed(c, &t))) {
		*reason = settings()->transport == TRANSPORT_SETTING_TCP ? REASON_SETTING : REASON_RULE;
		conn_never(c, *reason);
		if (promote_over(c))
			return NULL;
	}
	order = memcmp(t.local, t.peer, 16);
	if (order == 0)
		order = (int)t.local_port - t.peer_port;
	if (order == 0) {
		*reason = REASON_SELF;
		return NULL;
	}
	error = diag_peer(&t, &owner);
	if (error == -ENOENT || (error < 0 && !local_address(&t))) {
		*reason = REASON_REMOTE;
		return NULL;
	}
	r = calloc(1, sizeof *r);
	if (!r) {
		*reason = REASON_NO_MEMORY;
		return NULL;
	}
	r->side = order < 0 ? 0 : 1;
	r->listener = r->fd = -1;
	r->tuple = t;
	r->owner_known = error == 0;
	r->owner = owner;
	if (r->side == 0) {
		error = listen_here(r);
		if (error < 0) {
			/* In use: a squatter, or the remains of an older connection that are about to go. */
			log_at(LOG_DEBUG, "no rendezvous: error %d", -error);
			trace_blame(-error);
			*retry = error == -EADDRINUSE;
			*reason = error == -EADDRINUSE ? REASON_OTHER_USER : REASON_NO_MEMORY;
			free(r);
			return NULL;
		}
	}
	return r;
}

/* Whether the process at the other end of the unix socket FD may be our TCP peer. */
static bool proven(struct rendezvous *r, int fd)
{
	struct diag_owner owner = {0};
	struct ucred cred;

	if (!message_who(fd, &cred))
		return false;
	r->peer = cred;
	if (!r->owner_known)
		return cred.uid == (uint32_t)sys_call0(SYS_geteuid);
	/* While the other end was not accepted yet, it was the listener's user's; a worker may be another one. */
	if (cred.uid != r->owner.uid && diag_peer(&r->tuple, &owner) == 0)
		r->owner = owner;
	return cred.uid == r->owner.uid;
}

static bool proven_cookie(const struct rendezvous *r, uint64_t cookie)
{
	return !r->owner_known || cookie == r->owner.cookie;
}

void rendezvous_free(struct rendezvous *r)
{
	if (r->listener >= 0) {
		/* Who waits at the door may have sent something already. */
		for (int i = 0, fd = 0; i < 2 * BACKLOG && fd >= 0; i++) {
			fd = message_accept(r->listener);
			message_close(fd);
		}
		own_fd_close(r->listener);
		fetch_sub(&listeners, 1);
	}
	message_close(r->fd);
	free(r);
}

void rendezvous_forked(struct rendezvous *r)
{
	if (r->listener >= 0) {
		own_fd_close(r->listener);
		fetch_sub(&listeners, 1);
	}
	own_fd_close(r->fd);
	free(r);
}

static uint64_t round_up(uint64_t size)
{
	uint64_t power = WIRE_CAPACITY_MIN;

	while (power < size && power < WIRE_CAPACITY_MAX)
		power *= 2;
	return power;
}

/* The most that the kernel would let a buffer of FD grow to: its size if the program fixed it (SO_BUF_LOCK), else the system's. */
static uint64_t buffer_limit(int fd, int option, int lock_bit, const char *path, uint64_t fallback)
{
	uint32_t locks = 0;
	int size = 0, file;
	socklen_t length = sizeof locks;
	char text[64] = "", *end = text;
	uint64_t limit = 0;

	if (kernel_getsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &locks, &length) == 0 && (locks & (uint32_t)lock_bit)) {
		length = sizeof size;
		if (kernel_getsockopt(fd, SOL_SOCKET, option, &size, &length) == 0 && size > 0)
			return (uint64_t)size;
	}
	file = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (file >= 0) {
		sys_read(file, text, sizeof text - 1);
		sys_close(file);
		for (int i = 0; i < 3; i++)
			limit = strtoull(end, &end, 10);
	}
	return limit ? limit : fallback;
}

/* What this end asks of the rings. */
static void capacity_wanted(struct conn *c, int side, uint64_t capacity[2])
{
	long ring_size = conn_settings(c)->ring_size;

	if (ring_size) {
		capacity[0] = capacity[1] = (uint64_t)ring_size;
		return;
	}
	capacity[side] = buffer_limit(conn_fd(c), SO_SNDBUF, 1, "/proc/sys/net/ipv4/tcp_wmem", 4u << 20);
	capacity[!side] = buffer_limit(conn_fd(c), SO_RCVBUF, 2, "/proc/sys/net/ipv4/tcp_rmem", 6u << 20);
}

/* FIXED: ring_size is what was asked for. */
static uint64_t capacity_agreed(bool fixed, uint64_t mine, uint64_t theirs)
{
	uint64_t most = fixed ? WIRE_CAPACITY_MAX : AUTO_CAPACITY_MAX;
	uint64_t sum = fixed ? mine : mine + (theirs > WIRE_CAPACITY_MAX ? WIRE_CAPACITY_MAX : theirs);

	return round_up(sum > most ? most : sum);
}

static size_t rings_bytes(const uint64_t capacity[2])
{
	return WIRE_DATA_OFFSET + ((capacity[0] + capacity[1] + WIRE_PAGE - 1) & ~(uint64_t)(WIRE_PAGE - 1));
}

static size_t channel_bytes(const uint64_t capacity[2], const uint16_t maps[2])
{
	return rings_bytes(capacity) + iomap_bytes(maps);
}

static uint64_t own_cookie(struct conn *c)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof cookie;

	kernel_getsockopt(conn_fd(c), SOL_SOCKET, SO_COOKIE, &cookie, &size);
	return cookie;
}

static enum reason memory_reason(int error)
{
	log_at(LOG_DEBUG, "no shared memory: error %d", -error);
	trace_blame(-error);
	return error == -EINVAL || error == -ENOSYS ? REASON_OLD_KERNEL : REASON_NO_MEMORY;
}

/* What the peer is to know of a connection that was kept on TCP, but for its maps. */
static uint32_t own_attached(const struct conn *c)
{
	return load_relaxed(&c->never) ? WIRE_STAYING : WIRE_ATTACHED;
}

/* Side 0: HELLO arrived with the peer's bell page; makes the channel and answers. */
static int grant(struct rendezvous *r, struct conn *c, const struct wire_hello *hello, int bells_fd, struct meeting *m,
		 enum reason *reason)
{
	struct wire_grant answer = {.magic = WIRE_MAGIC, .version = WIRE_VERSION};
	struct bell_page *own;
	uint64_t wanted[2];
	int fd = -1, error = 0;
	void *map;

	*reason = REASON_NO_MEMORY;
	error = bell_can_ring();
	own = error < 0 ? NULL : bell_page_own(&error);
	if (!own)
		goto failed;
	capacity_wanted(c, 0, wanted);
	for (int i = 0; i < 2; i++)
		m->capacity[i] = capacity_agreed(conn_settings(c)->ring_size, wanted[i], hello->capacity[i]);
	/* Either side may map as many as the other one takes; but only r-calls do, and tables cost memory whether they are used or not. */
	if (c->rsocket.made) {
		m->maps[0] = (uint16_t)hello->maps;
		m->maps[1] = c->rsocket.iomap_size;
	}
	m->channel_size = channel_bytes(m->capacity, m->maps);
	m->peer = r->peer;
	m->settled = !iomap_bytes(m->maps);
	error = kernel_memory_new("rsocket-channel", m->channel_size, 0, &fd, &map);
	if (error < 0)
		goto failed;
	error = (int)sys_call4(SYS_fallocate, fd, 0, 0, WIRE_PAGE);
	if (error == 0 && iomap_bytes(m->maps))
		error = (int)sys_call4(SYS_fallocate, fd, 0, rings_bytes(m->capacity), iomap_bytes(m->maps));
	if (error < 0)
		goto unmap;
	m->channel = map;
	m->channel->version = WIRE_VERSION;
	memcpy(m->channel->capacity, m->capacity, sizeof m->capacity);
	memcpy(m->channel->maps, m->maps, sizeof m->maps);
	m->channel->magic = WIRE_MAGIC;
	m->channel->side[0].attached = own_attached(c);

	readiness_take();
	m->link = link_grant(hello->process, r->peer.pid, own, bells_fd, c, &m->slot, &error);
	readiness_drop();
	if (!m->link)
		goto unmap;
	answer.slot = m->slot;
	answer.cookie = own_cookie(c);
	memcpy(answer.process, process_name(), sizeof answer.process);
	memcpy(answer.link, m->link->id, sizeof answer.link);
	if (!m->settled) {
		r->granted_ns = clock_monotonic();
		/* Not for the asking: who lets others trace it wants maps itself. */
		if (c->rsocket.iomap_size)
			reach_let_in(&r->peer);
		reach_tell(&answer.reach, &r->peer);
		r->direct = reach_probe(&hello->reach, &r->peer);
		answer.direct = r->direct;
	}
	error = (int)message_send(r->fd, &answer, sizeof answer, (const int[]){own->fd, fd, m->link->fd}, 3);
	if (error == -EPIPE || error == -ECONNRESET)
		error = 0; /* it went away while it waited: another may come */
	if (error <= 0)
		goto unlink;
	readiness_take();
	link_sent(m->link);
	readiness_drop();
	own_fd_close(fd);
	return 1;

unlink:
	readiness_take();
	link_put(m->link, m->slot, c, false);
	readiness_drop();
unmap:
	own_fd_close(fd);
	kernel_unmap(map, m->channel_size);
	if (error == 0) {
		own_fd_close(r->fd);
		r->fd = -1;
		return 0;
	}
failed:
	*reason = memory_reason(error);
	return error;
}

/* Side 1: the answer came with bell page, channel, link. */
static int accept_grant(struct conn *c, const struct wire_grant *answer, const int fds[3], struct meeting *m,
			enum reason *reason)
{
	struct bell_page *own;
	struct wire_channel head;
	int error = 0;
	void *map;

	*reason = REASON_PROTOCOL;
	/* Sealed, so it is memory and not a file that somebody could make us wait for. */
	if (kernel_fcntl(fds[1], F_GET_SEALS, 0) < 0 || sys_pread(fds[1], &head, sizeof head, 0) != sizeof head ||
	    head.magic != WIRE_MAGIC || head.version != WIRE_VERSION)
		return -EPROTO;
	for (int i = 0; i < 2; i++) {
		uint64_t capacity = head.capacity[i];

		if (capacity < WIRE_CAPACITY_MIN || capacity > WIRE_CAPACITY_MAX || (capacity & (capacity - 1)))
			return -EPROTO;
		if (head.maps[i] > WIRE_MAPS_MAX)
			return -EPROTO;
		m->capacity[i] = capacity;
		m->maps[i] = head.maps[i];
	}
	m->channel_size = channel_bytes(m->capacity, m->maps);
	error = kernel_memory_map(fds[1], m->channel_size, 0, PROT_READ | PROT_WRITE, &map);
	if (error < 0) {
		*reason = error == -ENOMEM ? REASON_NO_MEMORY : REASON_PROTOCOL;
		return error;
	}
	m->channel = map;
	m->slot = answer->slot;
	own = bell_page_own(&error);
	readiness_take();
	m->link = own ? link_join(answer->link, fds[2], own, fds[0], c, answer->slot, &error) : NULL;
	readiness_drop();
	if (!m->link) {
		kernel_unmap(map, m->channel_size);
		*reason = error == -EPROTO ? REASON_PROTOCOL : memory_reason(error);
		return error;
	}
	store_release(&m->channel->side[1].attached, own_attached(c));
	return 1;
}

/* Side 1: the second way between the two. The socket, or -1. */
static int second_open(const struct rendezvous *r, const uint64_t nonce[2])
{
	struct wire_second second = {.magic = WIRE_MAGIC, .nonce = {nonce[0], nonce[1]}};
	struct sockaddr_un un;
	socklen_t size = rendezvous_address(r, &un);
	int fd = message_socket();
	struct ucred cred;
	socklen_t cred_size = sizeof cred;

	if (fd < 0)
		return -1;
	if (sys_call3(SYS_connect, fd, &un, size) == 0 &&
	    kernel_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_size) == 0 && cred.uid == r->peer.uid &&
	    cred.pid == r->peer.pid && message_send(fd, &second, sizeof second, NULL, 0) == sizeof second)
		return fd;
	own_fd_close(fd);
	return -1;
}

/* Side 1, which knows it all: how bytes are placed. Takes the socket from R if questions are asked there. */
static void settle_and_tell(struct rendezvous *r, const struct conn *c, const struct wire_grant *answer,
			    struct meeting *m)
{
	struct wire_verdict verdict = {.magic = WIRE_MAGIC};
	struct placing *p = &m->placing;

	*p = (struct placing){.direct = c->rsocket.made && reach_probe(&answer->reach, &r->peer),
			      .exposed = answer->direct & 1,
			      .ask = -1,
			      .serve = -1};
	if (c->rsocket.made && !(p->direct && p->exposed) && kernel_random(verdict.nonce, sizeof verdict.nonce))
		p->serve = second_open(r, verdict.nonce);
	verdict.direct = p->direct;
	verdict.message = p->serve >= 0;
	message_send(r->fd, &verdict, sizeof verdict, NULL, 0);
	if (verdict.message) {
		p->ask = r->fd;
		r->fd = -1;
	}
}

/* Side 0: the second connection came before the verdict did. The socket, or -1. */
static int second_accept(struct rendezvous *r, const uint64_t nonce[2])
{
	for (int i = 0; i < 2 * BACKLOG; i++) {
		int fd = message_accept(r->listener);
		struct ucred peer = r->peer;
		struct wire_second second;

		if (fd < 0)
			return -1;
		if (proven(r, fd) && message_receive(fd, &second, sizeof second, NULL, 0) == 0 &&
		    second.magic == WIRE_MAGIC && second.nonce[0] == nonce[0] && second.nonce[1] == nonce[1]) {
			r->peer = peer;
			return fd;
		}
		r->peer = peer;
		message_close(fd);
	}
	return -1;
}

int rendezvous_settle(struct rendezvous *r, struct placing *p)
{
	struct wire_verdict verdict;
	int error = message_receive(r->fd, &verdict, sizeof verdict, NULL, 0);

	if (error == -EAGAIN)
		return clock_monotonic() - r->granted_ns < VERDICT_NS ? 0 : -EPROTO;
	if (error < 0 || verdict.magic != WIRE_MAGIC)
		return -EPROTO;
	*p = (struct placing){.direct = r->direct, .exposed = verdict.direct & 1, .ask = -1, .serve = -1};
	if (!(p->direct && p->exposed) && verdict.message) {
		p->ask = second_accept(r, verdict.nonce);
		if (p->ask >= 0) {
			p->serve = r->fd;
			r->fd = -1;
		}
	}
	return 1;
}

static int step_listener(struct rendezvous *r, struct conn *c, struct meeting *m, enum reason *reason)
{
	struct wire_hello hello;
	int fds[MESSAGE_FDS], error;

	/* A few strangers a step: a flood of them costs us a bounded time and the search goes on. */
	for (int i = 0; i < 4; i++) {
		if (r->fd < 0) {
			r->fd = message_accept(r->listener);
			if (r->fd < 0)
				return 0;
			if (!proven(r, r->fd)) {
				promote_reason(c, REASON_OTHER_USER);
				message_close(r->fd);
				r->fd = -1;
				continue;
			}
		}
		error = message_receive(r->fd, &hello, sizeof hello, fds, 1);
		if (error == -EAGAIN)
			return 0;
		if (error == 0) {
			if (hello.magic == WIRE_MAGIC && hello.version == WIRE_VERSION && hello.maps <= WIRE_MAPS_MAX &&
			    proven_cookie(r, hello.cookie)) {
				error = grant(r, c, &hello, fds[0], m, reason);
				message_fds_close(fds, 1);
				return error;
			}
			message_fds_close(fds, 1);
		}
		message_close(r->fd);
		r->fd = -1;
	}
	return 0;
}

static int say_hello(struct rendezvous *r, struct conn *c, enum reason *reason)
{
	struct wire_hello hello = {.magic = WIRE_MAGIC, .version = WIRE_VERSION};
	struct sockaddr_un un;
	socklen_t size = rendezvous_address(r, &un);
	struct bell_page *own;
	int error = 0;

	error = bell_can_ring();
	own = error < 0 ? NULL : bell_page_own(&error);
	if (!own) {
		*reason = memory_reason(error);
		return error;
	}
	r->fd = message_socket();
	if (r->fd < 0)
		return 0;
	if (sys_call3(SYS_connect, r->fd, &un, size) < 0)
		goto later;
	if (!proven(r, r->fd)) {
		promote_reason(c, REASON_OTHER_USER);
		goto later;
	}
	memcpy(hello.process, process_name(), sizeof hello.process);
	hello.cookie = own_cookie(c);
	hello.maps = c->rsocket.iomap_size;
	if (c->rsocket.iomap_size)
		reach_let_in(&r->peer);
	if (c->rsocket.made)
		reach_tell(&hello.reach, &r->peer);
	capacity_wanted(c, 1, hello.capacity);
	if (message_send(r->fd, &hello, sizeof hello, &own->fd, 1) < 0)
		goto later;
	r->hello_sent = true;
	return 0;

later:
	message_close(r->fd);
	r->fd = -1;
	return 0;
}

static int step_connector(struct rendezvous *r, struct conn *c, struct meeting *m, enum reason *reason)
{
	struct wire_grant answer;
	int fds[MESSAGE_FDS], error;

	if (!r->hello_sent) {
		error = say_hello(r, c, reason);
		if (error < 0 || !r->hello_sent)
			return error;
	}
	error = message_receive(r->fd, &answer, sizeof answer, fds, 3);
	if (error == -EAGAIN)
		return 0;
	if (error == 0) {
		error = -EPROTO;
		*reason = REASON_PROTOCOL;
		if (answer.magic == WIRE_MAGIC && answer.version == WIRE_VERSION && proven_cookie(r, answer.cookie))
			error = accept_grant(c, &answer, fds, m, reason);
		m->peer = r->peer;
		m->settled = true;
		if (error > 0 && iomap_bytes(m->maps))
			settle_and_tell(r, c, &answer, m);
		message_fds_close(fds, 3);
		return error;
	}
	/* It hung up: its listener was closed, or it could not. Search on. */
	message_close(r->fd);
	r->fd = -1;
	r->hello_sent = false;
	return 0;
}

int rendezvous_step(struct rendezvous *r, struct conn *c, struct meeting *m, enum reason *reason)
{
	return r->side == 0 ? step_listener(r, c, m, reason) : step_connector(r, c, m, reason);
}
