/* Direct data placement: buffers of this process that the peer may reach by offset, and ours to the peer's. One copy, by the kernel,
 * from one process's memory to the other's: the other end calls nothing and spends no time. Where the kernel does not allow that, the other
 * end still calls nothing, but a thread of its process is asked (place.h). */
#ifndef RS_IOMAP_H
#define RS_IOMAP_H

#include "conn.h"
#include "fdtab.h"

#include <sys/socket.h>

/* Bytes at the end of a channel whose sides have MAPS entries; 0: neither asked for any. */
static inline size_t iomap_bytes(const uint16_t maps[2])
{
	size_t size = 2 * sizeof(struct wire_iomap) + ((size_t)maps[0] + maps[1]) * sizeof(struct wire_map);

	return maps[0] || maps[1] ? (size + WIRE_PAGE - 1) & ~(size_t)(WIRE_PAGE - 1) : 0;
}

/* C's channel is there, its tables at AREA; PEER is who the kernel says made the other end of the rendezvous. Before c->attached is set. */
void iomap_attach(struct conn *c, void *area, const uint16_t maps[2], const struct ucred *peer);

/* How bytes are placed is known, and P's descriptors are C's now: publishes what was mapped before. NULL: it will not be known. */
struct placing;
void iomap_settle(struct conn *c, const struct placing *p);

/* The same between hosts (far.h): we ask on ASK, the peer asks on SERVE, and takes as many maps of ours. Both are C's then. 0, or -ENOMEM: they are
 * the caller's. */
int iomap_meet_far(struct conn *c, int ask, int serve, uint32_t takes);
/* There will be no placement. */
void iomap_refuse(struct conn *c);

/* One piece of a placement, in whatever way: at most a megabyte between BUF and the peer's OFFSET. Bytes, or -errno as rsocket(7) has
 * them. The caller holds C, and holds it again afterwards: where the peer must be asked this sleeps meanwhile, a millisecond at most, and
 * -EBADF tells that C was closed. -EAGAIN, -EINTR: the same piece must come again, BUF untouched. */
ssize_t iomap_piece(struct conn *c, char *buf, size_t size, uint64_t offset, bool write);
/* How long a call on C may wait for placements; 0: as long as it takes. */
uint64_t iomap_patience(const struct conn *c, bool write, bool nonblock);
/* Whether the kernel copies such a piece; otherwise the peer is asked. */
bool iomap_direct(const struct conn *c);

/* Where the bytes that the peer calls OFFSET are in this process, and how many of SIZE are in one map that has the right PROT: then
 * the map stays until iomap_let_go, which must come soon. -EFAULT, -EACCES. */
struct iomap;
ssize_t iomap_hold(struct iomap *i, uint64_t offset, size_t size, int prot, char **memory);
void iomap_let_go(struct iomap *i);

/* A peer that spins on its memory makes no call in which it could be found, so connections that may have maps look for each other in all
 * calls of their first seconds that wait, and a send that follows a riomap waits for the peer. True: C is such a connection, and its
 * peer was not found yet. */
bool iomap_searching(struct conn *c);

/* A cheap question first. */
static inline bool iomap_waits(const struct conn *c)
{
	return !load_acquire(&c->maps_settled) && (c->rsocket.iomap_size || load_acquire(&c->attached));
}

/* Before a call that may wait for EVENTS on FD: returns when they are there, or the peer is, or will not be found; NONBLOCK: at once, after
 * one look. */
void iomap_meet_now(int fd, short events, bool nonblock);

static inline void iomap_meet(int fd, short events, bool nonblock)
{
	const struct conn *c = fdtab_conn(fd);

	if (__builtin_expect(c && iomap_waits(c), 0))
		iomap_meet_now(fd, events, nonblock);
}

/* Before bytes are sent on FD: who maps, sends and then only looks at its memory could not be found. 0, or -EAGAIN: a send that may not wait is
 * put off, in the first second of the connection. */
int iomap_meet_send(int fd, int flags);
/* A wait looked for C's peer. Whoever was put off and watches edges hears when it may send. */
void iomap_met(struct conn *c);
/* Whether a wait has to look for C's peer again, or for what it has to tell, however old C is. */
bool iomap_unmet(struct conn *c);

/* This process lets go of C, after iomap_withdraw. */
void iomap_fini(struct conn *c);

/* In a forked child: what the parent mapped is the parent's. */
void iomap_forked(struct conn *c);

/* Before exec, or the end of C: takes back what this process mapped. Waits for visits of the peer's that are under way, at most a second. */
void iomap_withdraw(struct conn *c);
/* After an exec that failed. */
void iomap_publish(struct conn *c);

#endif
