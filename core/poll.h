/* Waiting for connections and anything else at once. */
#ifndef RS_POLL_H
#define RS_POLL_H

#include "conn.h"

#include <poll.h>

#define FOREVER (-1ll)

/* What poll(2) would report for C if one stream carried it. Only bits of EVENTS, and POLLERR, POLLHUP. LOWAT: bytes that
 * make it readable. Arms the ring's room notification when POLLOUT is asked for and not given. */
short conn_revents(struct conn *c, short events, size_t lowat);
/* The same without the error queue (errqueue.h), which ends no read or write. */
short conn_stream_revents(struct conn *c, short events, size_t lowat);

/* The events of C's socket that a kernel wait must include so that EVENTS cannot be missed. */
short conn_kernel_events(struct conn *c, short events);

/* A kernel wait reported REVENTS of C's socket: from now on it is asked where that matters. */
void conn_note_kernel(struct conn *c, int revents);

/* Waits until C may have EVENTS, spinning first. PARTIAL: bytes were moved already, so any handler ends the call. The caller holds C, and holds it again afterwards, whatever is returned:
 * 0 look again, -EAGAIN DEADLINE_NS (CLOCK_MONOTONIC, 0 none) passed, -EINTR a handler ran and the call must not be restarted,
 * -EBADF the connection was closed meanwhile. */
int conn_wait(struct conn *c, int fd, short events, size_t lowat, uint64_t deadline_ns, bool partial);

/* After a kernel sleep that a signal ended: -EINTR, or 0 to go on, as the kernel decides for recv and send; with STRICT any handler ends
 * the call. HANDLERS, INTERRUPTIONS: the thread's counts before the sleep. */
int poll_interrupted(uint64_t handlers, uint64_t interruptions, bool strict);

/* poll(2), ppoll(2): fds may mix everything. TIMEOUT_NS FOREVER or >= 0. Count or -errno. */
int poll_wait(struct pollfd *fds, nfds_t count, int64_t timeout_ns, const sigset_t *mask);

/* Whether poll_wait has anything to add to the kernel's poll for these. */
bool poll_special(const struct pollfd *fds, nfds_t count);

/* Whether spinning for POLLING_TIME is worth it for this thread now, and how it went. */
bool spin_worth(long polling_time);
void spin_result(bool paid);

#endif
