/* Doorbells. DESIGN NOTES. A sleeper announces itself (fetch_add on its bell's state, a full barrier), looks once more
 * at what it waits for, and sleeps in the kernel on its socket. A producer publishes (CAS, a full barrier), then reads
 * the states of the bells in the consumer's interest word. So either the sleeper's second look sees the bytes, or the
 * producer sees the sleeper: never neither. A ring is a datagram, so it persists until a sleeper that was announced before it was sent
 * has woken and emptied the socket. test/model/wakeup.pml is this protocol. */
#include "bell.h"
#include "barrier.h"
#include "kernel.h"
#include "lock.h"

#include <errno.h>
#include <linux/memfd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>

#define PAGE_SEALS F_SEAL_FUTURE_WRITE
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16; earlier kernels refuse it */
#endif

static struct lock bell_lock; /* guards the lists below and the claiming of bells by this process */
static struct bell_page *own_page;
static struct peer_bells *peers;
static int ring_fd; /* rings other bells; 0: none yet */

#define NAME_PREFIX "rsbell-"
#define EMPTY_MAX 32 /* datagrams; the kernel queues about ten */

static socklen_t bell_address(struct sockaddr_un *un, const uint64_t name[2])
{
	static const char hex[] = "0123456789abcdef";
	char *p = un->sun_path;

	un->sun_family = AF_UNIX;
	*p++ = 0;
	memcpy(p, NAME_PREFIX, sizeof NAME_PREFIX - 1);
	p += sizeof NAME_PREFIX - 1;
	for (int i = 0; i < 32; i++)
		*p++ = hex[name[i / 16] >> (i % 16 * 4) & 15];
	return (socklen_t)(p - (char *)un);
}

static int datagram_socket(void)
{
	return own_fd(kernel_socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

struct bell_page *bell_page_own(int *error)
{
	struct bell_page *page;
	void *map;
	int fd;

	lock_take(&bell_lock);
	page = own_page;
	if (!page && !(page = calloc(1, sizeof *page))) {
		*error = -ENOMEM;
	} else if (!own_page) {
		*error = kernel_memory_new("rsocket-bells", sizeof(struct wire_bells), PAGE_SEALS, &fd, &map);
		if (*error < 0) {
			free(page);
			page = NULL;
		} else {
			page->map = map;
			page->fd = fd;
			page->map->version = WIRE_VERSION;
			store_release(&page->map->magic, WIRE_MAGIC);
			own_page = page;
		}
	}
	lock_drop(&bell_lock);
	return page;
}

bool bell_any(void)
{
	bool any;

	lock_take(&bell_lock);
	any = own_page;
	lock_drop(&bell_lock);
	return any;
}

struct peer_bells *peer_bells_get(int fd)
{
	struct peer_bells *p;
	struct stat st;
	void *map;

	if (fstat(fd, &st) < 0)
		return NULL;
	lock_take(&bell_lock);
	for (p = peers; p; p = p->next)
		if (p->dev == st.st_dev && p->ino == st.st_ino)
			break;
	if (p) {
		p->refs++;
	} else if (kernel_memory_map(fd, sizeof(struct wire_bells), PAGE_SEALS, PROT_READ, &map) == 0) {
		const struct wire_bells *bells = map;

		if (load_acquire(&bells->magic) == WIRE_MAGIC && bells->version == WIRE_VERSION)
			p = calloc(1, sizeof *p);
		if (p) {
			p->map = bells;
			p->dev = st.st_dev;
			p->ino = st.st_ino;
			p->refs = 1;
			p->next = peers;
			peers = p;
		} else {
			kernel_unmap(map, sizeof(struct wire_bells));
		}
	}
	lock_drop(&bell_lock);
	return p;
}

void peer_bells_put(struct peer_bells *peer)
{
	lock_take(&bell_lock);
	if (--peer->refs == 0) {
		struct peer_bells **p = &peers;

		while (*p != peer)
			p = &(*p)->next;
		*p = peer->next;
		kernel_unmap((void *)(uintptr_t)peer->map, sizeof(struct wire_bells));
		free(peer);
	}
	lock_drop(&bell_lock);
}

int sleeper_init(struct sleeper *s)
{
	const int off = 0;
	struct sockaddr_un un;
	int fd = datagram_socket();
	long error;

	if (fd < 0)
		return fd;
	if (!kernel_random(s->name, sizeof s->name)) {
		own_fd_close(fd);
		return -EIO;
	}
	s->name[0] |= 1; /* never 0, 0: that means free */
	/* Anyone may ring; a descriptor that comes with it would be ours to close, and some wait in close. */
	kernel_setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off);
	error = sys_call3(SYS_bind, fd, &un, bell_address(&un, s->name));
	if (error < 0) {
		own_fd_close(fd);
		return (int)error;
	}
	s->pages = 0;
	store_release(&s->fd,
		      fd); /* pairs with sleeper_ring: another thread may ring as soon as it sees a descriptor */
	return 0;
}

static void bell_free(struct wire_bell *bell)
{
	store_relaxed(&bell->name[0], 0);
	store_relaxed(&bell->name[1], 0);
	/* The turn stays: a later owner's turns are new to everyone who rang this one. */
	fetch_and(&bell->state, ~(uint64_t)UINT32_MAX);
	store_release(&bell->owner, 0);
}

void sleeper_fini(struct sleeper *s)
{
	if (s->fd <= 0)
		return;
	for (uint32_t i = 0; i < s->pages; i++)
		bell_free(&s->in[i].page->map->bell[s->in[i].bell]);
	s->pages = 0;
	own_fd_close(s->fd);
	s->fd = 0;
}

#define OWNER_PERSISTENT (1ull << 32)

static int bell_claim(struct bell_page *page, bool persistent)
{
	uint64_t me = kernel_getpid() | (persistent ? OWNER_PERSISTENT : 0);

	for (int attempt = 0; attempt < 2; attempt++)
		for (uint32_t i = 0; i < BELL_COUNT; i++) {
			struct wire_bell *bell = &page->map->bell[i];
			uint64_t owner = load_relaxed(&bell->owner);

			/* Second time round: take over what dead siblings left. */
			if (attempt && owner && sys_call2(SYS_kill, (uint32_t)owner, 0) == -ESRCH) {
				bell_free(bell);
				owner = 0;
			}
			if (owner == 0 && compare_swap(&bell->owner, &owner, me))
				return (int)i;
		}
	return -1;
}

int sleeper_bell(struct sleeper *s, struct bell_page *page, bool persistent)
{
	int bell;

	for (uint32_t i = 0; i < s->pages; i++)
		if (s->in[i].page == page)
			return (int)s->in[i].bell;
	if (s->pages == SLEEPER_PAGES || s->fd <= 0)
		return -1;
	bell = bell_claim(page, persistent);
	if (bell >= 0) {
		struct wire_bell *b = &page->map->bell[bell];

		store_relaxed(&b->name[0], s->name[0]);
		store_release(&b->name[1], s->name[1]);
		s->in[s->pages].page = page;
		s->in[s->pages].bell = (uint32_t)bell;
		store_release(&s->pages, s->pages + 1);
	}
	return bell;
}

static struct wire_bell *sleeper_state(const struct sleeper *s, uint32_t i)
{
	return &s->in[i].page->map->bell[s->in[i].bell];
}

uint32_t sleeper_announce(struct sleeper *s)
{
	uint32_t pages = load_acquire(&s->pages);

	for (uint32_t i = 0; i < pages; i++)
		fetch_add(&sleeper_state(s, i)->state, BELL_ONE_TURN + BELL_ONE_SLEEPER);
	full_barrier(); /* also for a sleeper that has no bell in any page yet */
	return pages;
}

static bool take_ring(const struct sleeper *s)
{
	char byte[16];

	return s->fd > 0 && kernel_recv(s->fd, byte, sizeof byte, MSG_DONTWAIT) >= 0;
}

void sleeper_heard(const struct sleeper *s)
{
	take_ring(s);
}

bool sleeper_empty(const struct sleeper *s)
{
	int taken = 0;

	while (taken < EMPTY_MAX && take_ring(s))
		taken++;
	return taken > 0;
}

void sleeper_awake(struct sleeper *s, uint32_t pages, bool rung)
{
	/* Taken before the turn goes up: a ring for the new turn must stay in the socket. */
	if (rung)
		sleeper_heard(s);
	for (uint32_t i = 0; i < pages; i++) {
		uint64_t left = fetch_sub(&sleeper_state(s, i)->state, BELL_ONE_SLEEPER) - BELL_ONE_SLEEPER;

		/* Others sleep on, and what rang this turn is used up. */
		if (BELL_SLEEPERS(left))
			fetch_add(&sleeper_state(s, i)->state, BELL_ONE_TURN);
	}
}

void sleeper_rearm(struct sleeper *s)
{
	for (uint32_t i = 0; i < s->pages; i++)
		fetch_add(&sleeper_state(s, i)->state, BELL_ONE_TURN);
}

bool sleeper_asleep(const struct sleeper *s)
{
	for (uint32_t i = 0; i < s->pages; i++)
		if (BELL_SLEEPERS(load_acquire(&sleeper_state(s, i)->state)))
			return true;
	return false;
}

int bell_can_ring(void)
{
	int expect = 0, fd;

	if (load_relaxed(&ring_fd))
		return 0;
	fd = datagram_socket();
	if (fd < 0)
		return fd;
	if (!compare_swap(&ring_fd, &expect, fd))
		own_fd_close(fd);
	return 0;
}

/* Sends the datagram. 1 rung, or as good as; 0 it could not be sent; -1 nobody has that name any more. */
static int ring(const uint64_t name[2])
{
	struct sockaddr_un un;
	socklen_t size = bell_address(&un, name);
	const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	ssize_t n = kernel_sendto(load_relaxed(&ring_fd), "", 1, flags, &un, size);
	int fd;

	if (n == -EAGAIN || n == -EBADF || n == -ENOTSOCK) {
		/* The bell's queue is full (as good as rung), or our own socket's memory sits in queues that others do not
		 * empty, or a stranger closed it: a socket of its own tells. */
		fd = datagram_socket();
		if (fd < 0)
			return 0;
		n = kernel_sendto(fd, "", 1, flags, &un, size);
		own_fd_close(fd);
	}
	return n == 1 || n == -EAGAIN ? 1 : n == -ECONNREFUSED || n == -EPROTOTYPE ? -1 : 0;
}

void sleeper_ring(const struct sleeper *s)
{
	if (load_acquire(&s->fd) > 0 && bell_can_ring() == 0)
		ring(s->name);
}

/* Reads the peer's bell once and rings it if it is due. False: nobody was there. */
static bool bell_ring_due(struct peer_bells *peer, uint32_t number)
{
	const struct wire_bell *bell = &peer->map->bell[number];
	uint64_t state = load_acquire(&bell->state), name[2];
	int rung;

	if (!BELL_SLEEPERS(state) || load_relaxed(&peer->rung[number]) == BELL_TURN(state))
		return true;
	name[1] = load_acquire(&bell->name[1]);
	name[0] = load_relaxed(&bell->name[0]);
	rung = ring(name);
	/* Also where nobody was: a peer must not have us try for ever. */
	if (rung)
		store_relaxed(&peer->rung[number], BELL_TURN(state));
	return rung >= 0;
}

bool bell_droppable(const struct bell_page *page, uint32_t number)
{
	const struct wire_bell *bell = &page->map->bell[number];

	return !BELL_SLEEPERS(load_acquire(&bell->state)) && !(load_relaxed(&bell->owner) & OWNER_PERSISTENT);
}

void bell_dropped(const struct bell_page *page, uint32_t number)
{
	const struct wire_bell *bell = &page->map->bell[number];

	if (BELL_SLEEPERS(load_acquire(&bell->state))) {
		uint64_t name[2] = {load_relaxed(&bell->name[0]), load_relaxed(&bell->name[1])};

		ring(name);
	}
}

bool bells_ring(struct peer_bells *peer, uint64_t interest)
{
	bool gone = false;

	for (; interest; interest >>= 16) {
		uint32_t number = interest & 0xffff;

		if (number == WIRE_EVERY_BELL)
			for (uint32_t b = 0; b < BELL_COUNT; b++)
				bell_ring_due(peer, b);
		else if (number && number <= BELL_COUNT)
			gone |= !bell_ring_due(peer, number - 1);
	}
	return gone;
}

void bells_ring_own(const struct bell_page *page, uint64_t interest)
{
	for (; interest; interest >>= 16) {
		uint32_t number = interest & 0xffff;

		if (number == WIRE_EVERY_BELL)
			for (uint32_t b = 0; b < BELL_COUNT; b++)
				bell_dropped(page, b);
		else if (number && number <= BELL_COUNT)
			bell_dropped(page, number - 1);
	}
}

void bell_forked(void)
{
	bell_lock.word = 0;
	/* Links made from now on belong to this process alone. The old page stays mapped: inherited connections use it. */
	if (own_page)
		own_fd_close(own_page->fd);
	own_page = NULL;
}
