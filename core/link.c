/* Links. DESIGN NOTES. Ready bits instead of a queue: setting one twice is harmless, so any number of producers may set
 * it without a lock, nothing overflows, and a hostile peer can at most make us look for nothing. A producer publishes (full
 * barrier) and then tests the bit; the consumer clears the bit (full barrier) and then reads the tail: a bit that
 * the producer found set is cleared by somebody who has yet to read the tail. */
#include "link.h"
#include "barrier.h"
#include "kernel.h"
#include "lock.h"
#include "thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SHAREABLE_LINKS 64 /* links whose memory stays open for more connections: a descriptor each */

static struct lock readiness_lock;
static uint64_t mark; /* its address stands for a connection that only another process of the family has */
static struct conn *const elsewhere = (struct conn *)(void *)&mark;
struct link *links;
static unsigned shareable;

void readiness_take(void)
{
	if (thread_self.readiness++ == 0)
		lock_take(&readiness_lock);
}

void readiness_drop(void)
{
	if (--thread_self.readiness == 0)
		lock_drop(&readiness_lock);
}

void readiness_forked(void)
{
	readiness_lock.word = 0;
	thread_self.readiness = 0;
}

static struct link *link_new(struct bell_page *own, int bells_fd, int *error)
{
	struct link *link = calloc(1, sizeof *link);
	struct peer_bells *peer = link ? peer_bells_get(bells_fd) : NULL;
	void *conns;

	if (!peer) {
		*error = link ? -EPROTO : -ENOMEM;
		free(link);
		return NULL;
	}
	conns = mmap(NULL, LINK_SLOTS * sizeof(struct conn *), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (conns == MAP_FAILED) {
		peer_bells_put(peer);
		free(link);
		*error = -ENOMEM;
		return NULL;
	}
	link->conns = conns;
	link->own = own;
	link->peer = peer;
	link->fd = -1;
	link->owner_pid = kernel_getpid();
	return link;
}

static void link_add(struct link *link)
{
	link->next = links;
	links = link;
}

static void close_memory(struct link *link)
{
	own_fd_close(link->fd);
	link->fd = -1;
	shareable--;
}

static void link_free(struct link *link)
{
	if (link->map)
		kernel_unmap(link->map, sizeof(struct wire_link));
	munmap(link->conns, LINK_SLOTS * sizeof(struct conn *));
	peer_bells_put(link->peer);
	if (link->fd >= 0)
		close_memory(link);
	free(link);
}

static bool slot_take(struct link *link, struct conn *c, uint32_t *slot)
{
	for (uint32_t i = 0; i < LINK_SLOTS; i++) {
		uint32_t s = (link->cursor + i) % LINK_SLOTS;

		if (!link->conns[s]) {
			link->conns[s] = c;
			link->cursor = s + 1;
			*slot = s;
			return true;
		}
	}
	return false;
}

struct link *link_grant(const uint64_t peer_process[2], pid_t peer_pid, struct bell_page *own, int bells_fd,
			struct conn *c, uint32_t *slot, int *error)
{
	struct link *link;
	void *map;

	for (link = links; link; link = link->next)
		if (link->fd >= 0 && link->own == own && link->owner_pid == kernel_getpid() &&
		    link->peer_pid == peer_pid && link->peer_process[0] == peer_process[0] &&
		    link->peer_process[1] == peer_process[1] && link->refs < LINK_SLOTS && slot_take(link, c, slot)) {
			link->refs++;
			return link;
		}
	link = link_new(own, bells_fd, error);
	if (!link)
		return NULL;
	*error = kernel_memory_new("rsocket-link", sizeof(struct wire_link), 0, &link->fd, &map);
	if (*error < 0) {
		link->fd = -1;
		link_free(link);
		return NULL;
	}
	shareable++;
	link->map = map;
	link->map->version = WIRE_VERSION;
	link->map->magic = WIRE_MAGIC;
	kernel_random(link->id, sizeof link->id);
	memcpy(link->peer_process, peer_process, sizeof link->peer_process);
	link->peer_pid = peer_pid;
	slot_take(link, c, slot);
	link->refs = 1;
	link_add(link);
	return link;
}

void link_sent(struct link *link)
{
	if (link->fd >= 0 && shareable > own_fds_max(SHAREABLE_LINKS))
		close_memory(link);
}

struct link *link_join(const uint64_t id[2], int fd, struct bell_page *own, int bells_fd, struct conn *c, uint32_t slot,
		       int *error)
{
	struct link *link;
	void *map;

	if (slot >= LINK_SLOTS) {
		*error = -EPROTO;
		return NULL;
	}
	for (link = links; link; link = link->next)
		if (link->side == 1 && link->owner_pid == kernel_getpid() && link->own == own && link->id[0] == id[0] &&
		    link->id[1] == id[1])
			break;
	if (!link) {
		link = link_new(own, bells_fd, error);
		if (!link)
			return NULL;
		*error = kernel_memory_map(fd, sizeof(struct wire_link), 0, PROT_READ | PROT_WRITE, &map);
		if (*error < 0) {
			link_free(link);
			return NULL;
		}
		link->map = map;
		link->side = 1;
		memcpy(link->id, id, sizeof link->id);
		link_add(link);
	}
	/* An older connection may still be open here under the same number: its TCP socket reports what it has to say. */
	link->conns[slot] = c;
	link->refs++;
	return link;
}

void link_put(struct link *link, uint32_t slot, struct conn *c, bool used)
{
	struct link **p = &links;

	/* A bit set for another connection's sake would not be known as the sibling's. */
	if (link->conns[slot] == c)
		link->conns[slot] = used && link->side == 0 ? elsewhere : NULL;
	if (--link->refs) {
		return;
	}
	while (*p && *p != link)
		p = &(*p)->next;
	if (*p)
		*p = link->next;
	link_free(link);
}

void link_mark(struct link *link, uint32_t slot)
{
	struct wire_ready *ready = &link->map->ready[!link->side];
	uint64_t *leaf = &ready->leaf[slot / 64], bit = 1ull << (slot % 64), top = 1ull << (slot / 64);

	if (!(load_relaxed(leaf) & bit))
		fetch_or(leaf, bit);
	if (!(load_relaxed(&ready->summary) & top))
		fetch_or(&ready->summary, top);
}

void link_drain(struct link *link, void (*fn)(struct conn *c))
{
	struct wire_ready *ready = &link->map->ready[link->side];
	uint64_t summary = exchange(&ready->summary, 0);

	while (summary) {
		unsigned i = (unsigned)__builtin_ctzll(summary);
		uint64_t leaf = exchange(&ready->leaf[i], 0);

		summary &= summary - 1;
		while (leaf) {
			struct conn *c = link->conns[i * 64 + (unsigned)__builtin_ctzll(leaf)];

			leaf &= leaf - 1;
			if (c && c != elsewhere)
				fn(c);
		}
	}
}
