/* How two datagram rsockets meet. DESIGN NOTES. The sender asks the kernel which UDP socket its datagrams reach (sock_diag), and offers it a
 * pair on an abstract unix name made of that socket's cookie; the receiver asks the same of the sender's address. Both sockets, and both
 * processes as SO_PEERCRED has them, must be our own user's: who may write a ring may go on after its UDP port has gone to
 * somebody else, and of one user's processes none can do to another what it could not do anyway. And the receiver believes an offer only
 * once the kernel has brought a datagram from its source: what a firewall drops or rewrites is never short-cut. */
#include "config.h"
#include "dgram_object.h"
#include "kernel.h"
#include "message.h"
#include "process.h"
#include "rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define BACKLOG 16
#define ACCEPT_GAP_MAX 64
#define ACCEPTS 4 /* strangers a look */

static socklen_t meeting_name(uint64_t cookie, struct sockaddr_un *un)
{
	static const char prefix[] = "rsdgram-1-", hex[] = "0123456789abcdef";
	char *p = un->sun_path;

	un->sun_family = AF_UNIX;
	*p++ = 0;
	memcpy(p, prefix, sizeof prefix - 1);
	p += sizeof prefix - 1;
	for (int shift = 60; shift >= 0; shift -= 4)
		*p++ = hex[cookie >> shift & 15];
	return (socklen_t)(p - (char *)un);
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof cookie;

	kernel_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size);
	return cookie;
}

static uint32_t me(void)
{
	return (uint32_t)sys_call0(SYS_geteuid);
}

static bool ours(int fd, struct ucred *who)
{
	return message_who(fd, who) && who->uid == me();
}

socklen_t dgram_name(const struct dgram *d, const struct diag_end *end, struct sockaddr_storage *name)
{
	struct sockaddr_in *in = (void *)name;
	struct sockaddr_in6 *in6 = (void *)name;

	memset(name, 0, sizeof *in6);
	if (!d->v6) {
		in->sin_family = AF_INET;
		in->sin_port = htons(end->port);
		memcpy(&in->sin_addr, end->addr, 4);
		return sizeof *in;
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(end->port);
	if (end->family == AF_INET) {
		in6->sin6_addr.s6_addr[10] = in6->sin6_addr.s6_addr[11] = 0xff;
		memcpy(in6->sin6_addr.s6_addr + 12, end->addr, 4);
	} else {
		memcpy(&in6->sin6_addr, end->addr, 16);
	}
	return sizeof *in6;
}

static bool same_end(const struct diag_end *a, const struct diag_end *b)
{
	return a->family == b->family && a->port == b->port && memcmp(a->addr, b->addr, 16) == 0;
}

static void put_end(struct wire_dgram_end *to, const struct diag_end *from)
{
	to->family = from->family;
	to->port = from->port;
	memcpy(to->addr, from->addr, 16);
}

static bool get_end(struct diag_end *to, const struct wire_dgram_end *from)
{
	to->family = from->family;
	to->port = from->port;
	memcpy(to->addr, from->addr, 16);
	return to->family == AF_INET || to->family == AF_INET6;
}

static bool allowed(bool is_server, const struct diag_end *peer, uint16_t port)
{
	struct rule_subject subject = {.is_server = is_server, .family = peer->family, .port = port};

	memcpy(subject.peer, peer->addr, sizeof subject.peer);
	return rules_allow(&subject);
}

/* --- the sender --- */

static int end_by(long call, int fd, struct sockaddr_storage *ss, struct diag_end *end)
{
	socklen_t size = sizeof *ss;
	int error = (int)sys_call3(call, fd, ss, &size);

	return error < 0 ? error : diag_end_of(ss, end);
}

/* The source that the kernel gives datagrams to NAME, if that is one host of this host's: not a group, not a broadcast (EACCES), not a
 * neighbour on a link. */
static bool local_source(const struct sockaddr_storage *name, const struct diag_end *to, struct diag_end *source)
{
	static const uint8_t nobody[16];
	const struct sockaddr_in6 *in6 = (const void *)name;
	struct sockaddr_storage ss;
	int fd, error;

	if (memcmp(to->addr, nobody, 16) == 0 || (to->family == AF_INET && to->addr[0] >= 224) ||
	    (to->family == AF_INET6 && (to->addr[0] == 0xff || in6->sin6_scope_id || in6->sin6_flowinfo)))
		return false;
	fd = kernel_socket(name->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	error = (int)sys_call3(SYS_connect, fd, name, sizeof *in6);
	if (error == 0)
		error = end_by(SYS_getsockname, fd, &ss, source);
	sys_close(fd);
	return error == 0 && source->family == to->family &&
	       (memcmp(source->addr, to->addr, 16) == 0 || (to->family == AF_INET && to->addr[0] == 127));
}

/* Both ends of what D sends to DEST. False: nothing for us, for good if *NEVER. */
static bool ends_of(struct dgram *d, const struct dgram_dest *dest, struct diag_end *from, struct diag_end *to,
		    bool *never)
{
	static const uint8_t any[16];
	struct sockaddr_storage name = {0}, own;
	struct diag_end source;

	*never = false;
	if (end_by(SYS_getsockname, d->fd, &own, from) < 0 || from->port == 0)
		return false;
	if (dest->size)
		memcpy(&name, &dest->name, dest->size);
	if ((dest->size ? diag_end_of(&name, to) : end_by(SYS_getpeername, d->fd, &name, to)) < 0 || to->port == 0)
		return false;
	/* An IPv6 socket may be given IPv4's kind of name, and the kernel knows what that means. */
	*never = name.ss_family != own.ss_family || !local_source(&name, to, &source);
	if (*never)
		return false;
	if (memcmp(from->addr, any, 16) == 0)
		memcpy(from->addr, source.addr, 16);
	from->family = to->family;
	return true;
}

/* Says hello on FD. The receiver takes it when it comes to it: nothing is waited for. */
static struct dgram_pair *say_hello(struct dgram *d, int fd, const struct diag_end *from, const struct diag_end *to,
				    uint64_t cookie, uint64_t capacity)
{
	struct wire_dgram_hello hello = {.magic = WIRE_MAGIC, .version = WIRE_VERSION, .cookie = cookie_of(d->fd)};
	struct dgram_pair *p = malloc(sizeof *p);
	int memory;

	if (!p || pair_new(p, capacity, &memory) < 0) {
		free(p);
		return NULL;
	}
	p->cookie = cookie;
	put_end(&hello.from, from);
	put_end(&hello.to, to);
	if (message_send(fd, &hello, sizeof hello, &memory, 1) != sizeof hello) {
		pair_unmap(p);
		free(p);
		p = NULL;
	}
	own_fd_close(memory);
	return p;
}

/* Another name of a receiver that has a pair is not given one: two rings have no order. */
static bool port_paired(const struct dgram *d, const struct dgram_dest *dest, uint64_t cookie)
{
	for (int i = 0; i < DGRAM_DESTS; i++)
		if (&d->dest[i] != dest && d->dest[i].pair && d->dest[i].pair->cookie == cookie)
			return true;
	return false;
}

void dgram_offer(struct dgram *d, struct dgram_dest *dest)
{
	struct diag_end from, to;
	struct diag_owner owner;
	struct sockaddr_un un;
	struct ucred who;
	uint32_t rcvbuf;
	socklen_t size;
	bool never;
	int fd;

	if (load_relaxed(&process_filtered))
		return;
	if (!ends_of(d, dest, &from, &to, &never) || !allowed(false, &to, to.port)) {
		dest->never |= never;
		d->reason = never ? REASON_REMOTE : d->reason;
		return;
	}
	d->reason = REASON_PEER_ABSENT;
	if (diag_udp(&from, &to, &owner, &rcvbuf) < 0 || port_paired(d, dest, owner.cookie) ||
	    rcvbuf > WIRE_DGRAM_CAPACITY_MAX / 4)
		return;
	if (owner.uid != me()) {
		d->reason = REASON_OTHER_USER;
		return;
	}
	fd = message_socket();
	size = meeting_name(owner.cookie, &un);
	if (fd >= 0 && sys_call3(SYS_connect, fd, &un, size) == 0) {
		kernel_init();
		/* Twice what the kernel would hold at most: what finds no room would have found none there. */
		if (!ours(fd, &who))
			d->reason = REASON_OTHER_USER;
		else if ((dest->pair = say_hello(d, fd, &from, &to, owner.cookie, 2ull * rcvbuf + 2 * WIRE_DGRAM_MAX)))
			store_relaxed(&d->out_pairs, d->out_pairs + 1);
	}
	message_close(fd);
}

bool dgram_still_there(struct dgram *d, const struct dgram_dest *dest)
{
	struct diag_end from, to;
	struct diag_owner owner;
	uint32_t rcvbuf;
	bool never;

	return ends_of(d, dest, &from, &to, &never) && diag_udp(&from, &to, &owner, &rcvbuf) == 0 &&
	       owner.cookie == dest->pair->cookie;
}

/* --- the receiver --- */

static void listen_here(struct dgram *d)
{
	struct sockaddr_un un;
	socklen_t size = meeting_name(cookie_of(d->fd), &un);
	int fd = message_socket();

	d->listener = -2;
	if (fd < 0)
		return;
	if (sys_call3(SYS_bind, fd, &un, size) < 0 || sys_call2(SYS_listen, fd, BACKLOG) < 0) {
		own_fd_close(fd);
		return;
	}
	d->listener = fd;
}

void dgram_deafen(struct dgram *d)
{
	int fd = d->listener;

	/* Who waits at the door may have sent something already. */
	for (int i = 0; fd >= 0 && i < 2 * BACKLOG; i++) {
		int stranger = message_accept(fd);

		if (stranger < 0)
			break;
		message_close(stranger);
	}
	own_fd_close(fd);
	d->listener = -2;
}

/* Room for one more: a pair whose sender is gone, if there is one. */
static bool room_for_pair(struct dgram *d)
{
	for (uint32_t i = 0; d->in_count == DGRAM_PAIRS && i < d->in_count; i++)
		if (!pair_news(d->in[i]) &&
		    (load_acquire(&d->in[i]->map->ended) || sys_call2(SYS_kill, d->in[i]->sender_pid, 0) == -ESRCH))
			dgram_in_drop(d, i);
	return d->in_count < DGRAM_PAIRS;
}

/* HELLO came with MEMORY from WHO. */
static void join(struct dgram *d, const struct wire_dgram_hello *hello, int memory, const struct ucred *who)
{
	struct diag_end from, to;
	struct diag_owner owner;
	struct dgram_pair *p;
	uint32_t rcvbuf;

	if (hello->magic != WIRE_MAGIC || hello->version != WIRE_VERSION || !get_end(&from, &hello->from) ||
	    !get_end(&to, &hello->to) || !room_for_pair(d) || !allowed(true, &from, to.port))
		return;
	/* Whom does it reach what we send to its source? */
	if (diag_udp(&to, &from, &owner, &rcvbuf) < 0 || owner.cookie != hello->cookie || owner.uid != me())
		return;
	p = malloc(sizeof *p);
	if (!p || pair_join(p, memory) < 0) {
		free(p);
		return;
	}
	kernel_init();
	p->source = from;
	p->sender_pid = (uint32_t)who->pid;
	d->unheard++;
	d->in[d->in_count] = p;
	store_relaxed(&d->in_count, d->in_count + 1);
}

static bool accept_offers(struct dgram *d)
{
	struct wire_dgram_hello hello;
	struct ucred who;
	bool any = false;

	for (int i = 0; i < ACCEPTS; i++) {
		int fd = message_accept(d->listener), memory;

		if (fd < 0)
			break;
		/* The sender said it right after it came, so who said nothing by now is late. */
		if (ours(fd, &who) && message_receive(fd, &hello, sizeof hello, &memory, 1) == 0) {
			join(d, &hello, memory, &who);
			message_fds_close(&memory, 1);
			any = true;
		}
		message_close(fd);
	}
	return any;
}

void dgram_arrived(struct dgram *d, const struct sockaddr_storage *name)
{
	struct diag_end source;

	if (d->pinned || load_relaxed(&process_filtered))
		return;
	if (d->unheard && name && diag_end_of(name, &source) == 0)
		for (uint32_t i = 0; i < d->in_count; i++) {
			struct dgram_pair *p = d->in[i];

			if (p->heard || !same_end(&p->source, &source))
				continue;
			p->heard = true;
			d->unheard--;
			d->reason = REASON_PROMOTED;
			store_release(&p->map->attached, 1);
			dgram_awake(d);
		}
	if (++d->arrived < d->next_accept)
		return;
	if (d->listener == -1)
		listen_here(d);
	if (d->listener >= 0 && accept_offers(d))
		d->accept_gap = 1;
	else if (d->accept_gap < ACCEPT_GAP_MAX)
		d->accept_gap = d->accept_gap ? d->accept_gap * 2 : 1;
	d->next_accept = d->arrived + d->accept_gap;
}
