/* Doorbells: how one process wakes a thread or an epoll set of another (or its own). A bell is a word in a page that
 * peers can only read, and an abstract datagram socket with a random name that anyone who saw the page can ring.
 * Named sockets need no descriptor passing, so they serve forked siblings and peers of other users alike. */
#ifndef RS_BELL_H
#define RS_BELL_H

#include "wire.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A bell page of this process family: shared with forked siblings, read-only to peers. */
struct bell_page {
	struct wire_bells *map;
	int fd; /* to hand to peers; -1 in a forked child, which makes its own page for new links */
};

/* A page of a peer. */
struct peer_bells {
	const struct wire_bells *map;
	dev_t dev; /* of the memfd, from the kernel: a name could be another peer's */
	ino_t ino;
	uint32_t refs;
	uint32_t rung
		[BELL_COUNT]; /* the turn for which we rang each bell last: once is enough, whichever connection it was for */
	struct peer_bells *next;
};

#define SLEEPER_PAGES 4

/* Something that sleeps: a thread or an epoll set. Has one socket, and a bell in each page of ours that its
 * connections' links use. */
struct sleeper {
	int fd; /* the socket; 0: none yet (0 is never ours) */
	uint64_t name[2];
	struct {
		struct bell_page *page;
		uint32_t bell;
	} in[SLEEPER_PAGES];
	uint32_t pages;
};

/* The page for new links of this process, made on first use. NULL and *ERROR = -errno when that fails. */
struct bell_page *bell_page_own(int *error);

/* Maps a peer's page from FD (not consumed), or finds it mapped. NULL: not a bell page, not sealed, or no memory. */
struct peer_bells *peer_bells_get(int fd);
void peer_bells_put(struct peer_bells *peer);

/* 0 or -errno. */
int sleeper_init(struct sleeper *s);
void sleeper_fini(struct sleeper *s);

/* The number of S's bell in PAGE, claimed on first use; -1: none free. PERSISTENT: an epoll set's, wanted even while awake. */
int sleeper_bell(struct sleeper *s, struct bell_page *page, bool persistent);

/* Whether bell NUMBER of PAGE may be dropped from an interest word: its thread is awake, and will look again. */
bool bell_droppable(const struct bell_page *page, uint32_t number);
/* After a drop: if its thread fell asleep meanwhile, wake it. */
void bell_dropped(const struct bell_page *page, uint32_t number);

/* Falling asleep: announce (full barrier), then look again at what is waited for, then sleep on s->fd among others. Returns in how
 * many pages, which sleeper_awake wants back: bells may be added meanwhile. */
uint32_t sleeper_announce(struct sleeper *s);
/* Awake again. RUNG: the socket was readable: sleeper_heard. */
void sleeper_awake(struct sleeper *s, uint32_t pages, bool rung);
/* Takes one ring out of the socket. There seldom are more, and one that stays only ends the next sleep early: not worth the
 * system call that would find it. */
void sleeper_heard(const struct sleeper *s);
/* Takes what is in the socket; bounded, whoever keeps ringing. Whether there was anything. */
bool sleeper_empty(const struct sleeper *s);
/* A permanent sleeper (an epoll descriptor that the kernel watches): announced for good. */
void sleeper_rearm(struct sleeper *s);

/* Rings S, a sleeper of this process, whether or not it sleeps. */
void sleeper_ring(const struct sleeper *s);
bool sleeper_asleep(const struct sleeper *s);

/* Rings those of the peer's bells in INTEREST that sleep and were not rung for this turn yet. Returns true if a ring found
 * nobody: the peer is gone. */
bool bells_ring(struct peer_bells *peer, uint64_t interest);

/* Rings those of the own bells in INTEREST that sleep, in whichever process of the family. */
void bells_ring_own(const struct bell_page *page, uint64_t interest);

/* Whether this process has bells, whose sleepers have their names in a network namespace. */
bool bell_any(void);

/* Makes sure that this process can ring; before its first promotion. 0 or -errno. */
int bell_can_ring(void);

/* In a forked child: the inherited pages stay, new links get a new one. */
void bell_forked(void);

#endif
