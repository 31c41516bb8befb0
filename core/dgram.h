/* Datagram rsockets: kernel UDP sockets, and between two of them of one user on one host a ring (dgram_pair.h) that overtakes the kernel
 * while the receiver is awake. What a program sees is UDP. */
#ifndef RS_DGRAM_H
#define RS_DGRAM_H

#include "fdtab.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct dgram;

/* From now on datagram rsockets may use rings: every call that touches them is an r-call. Not so under the preload, where any of libc's
 * may: there the kernel does all. */
void dgram_start(void);

/* FD is a new UDP socket of DOMAIN. 0 or -ENOMEM. */
int dgram_new(int fd, int domain, bool nonblock);
/* FD is about to be closed. */
void dgram_close(int fd);
/* One more descriptor for D; under fdtab_lock. */
void dgram_copied(struct dgram *d);

/* sendmsg(2) and recvmsg(2). */
ssize_t dgram_send(int fd, const struct msghdr *msg, int flags);
ssize_t dgram_recv(int fd, struct msghdr *msg, int flags);
/* Whether all that goes out, or comes in, can only be the kernel's at this moment: then a call for many at once may be. */
bool dgram_plain(int fd);

/* The kernel alone from now on, for good. What is in rings already is still read. */
void dgram_pin(int fd);
/* Before FD is connected, to somewhere else or nowhere. */
void dgram_connecting(int fd);
/* An option was set. */
void dgram_option(int fd, int level, int name, const void *value, socklen_t size);
void dgram_nonblock(int fd, bool nonblock);
/* The options of SOL_RDMA, the caller's alone until dgram_options_end(*HELD). NULL: FD is no datagram rsocket. */
struct rsocket_options *dgram_options(int fd, struct dgram **held);
void dgram_options_end(struct dgram *held);
/* RDMA_CARRIER. 0 or -errno. */
int dgram_carrier(int fd, void *value, socklen_t *size);

/* --- waiting for several (poll.c) --- */

static inline bool dgram_is(int fd)
{
	return fdtab_kind(fd) == FD_DGRAM;
}

/* Whether a wait for FD must look at more than the kernel's socket. */
bool dgram_special(int fd);
/* Those of EVENTS that do not come from the kernel. What it says of reading is true until it was read. */
short dgram_revents(int fd, short events);
/* The cheap part of that: news in a ring. */
bool dgram_news(int fd);

/* A sleep that a wait announces; zeroed: none. */
struct dgram_nap {
	struct dgram *d;
	uint32_t generation;
};
/* FD's senders use the kernel from here on; what FD sent and nobody read goes to the kernel. Look at dgram_revents again, then sleep. */
void dgram_nap(int fd, struct dgram_nap *nap);
void dgram_nap_end(struct dgram_nap *nap);

/* --- the process (process.c) --- */

/* Before a fork: all are the kernel's, since two processes will read them, and no other thread is at work on one until the fork is over.
 * Under fdtab_lock, which the caller keeps meanwhile. */
void dgram_fork_prepare(void);
void dgram_fork_parent(void);
/* In a child; UNSEEN: dgram_fork_prepare did not run. */
void dgram_forked(bool unseen);
void dgram_exit(void);

#endif
