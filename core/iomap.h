/* Direct data placement: buffers of this process that the peer may reach by offset, and ours to the peer's. One copy, by the kernel,
 * from one process's memory to the other's: the other end calls nothing and spends no time. */
#ifndef RS_IOMAP_H
#define RS_IOMAP_H

#include "conn.h"

#include <sys/socket.h>

/* Bytes at the end of a channel whose sides have MAPS entries; 0: neither asked for any. */
static inline size_t iomap_bytes(const uint16_t maps[2])
{
	size_t size = 2 * sizeof(struct wire_iomap) + ((size_t)maps[0] + maps[1]) * sizeof(struct wire_map);

	return maps[0] || maps[1] ? (size + WIRE_PAGE - 1) & ~(size_t)(WIRE_PAGE - 1) : 0;
}

/* C's channel is there, its tables at AREA; PEER is who the kernel says made the other end of the rendezvous. Publishes what was mapped
 * before. Before c->attached is set. */
void iomap_attach(struct conn *c, void *area, const uint16_t maps[2], const struct ucred *peer);

/* This process lets go of C: takes back what it mapped. Waits for visits of the peer's that are under way, at most a second. */
void iomap_fini(struct conn *c);

/* In a forked child: what the parent mapped is the parent's. */
void iomap_forked(struct conn *c);

/* Before exec, and after one that failed. */
void iomap_withdraw(struct conn *c);
void iomap_publish(struct conn *c);

#endif
