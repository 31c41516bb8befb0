/* Byte-stream semantics over whatever carries a direction at the moment: to the caller it is one TCP stream. */
#ifndef RS_STREAM_H
#define RS_STREAM_H

#include "conn.h"
#include "errqueue.h"

#include <sys/socket.h>

/* Who does a read or write. */
enum route {
	ROUTE_PLAIN,  /* the kernel, and nobody needs to know: the connection stays on TCP */
	ROUTE_KERNEL, /* the kernel: call it, then stream_*_end */
	ROUTE_ENGINE, /* stream_recv, stream_send */
};

/* Carries what *_begin learned to *_end. */
struct passage {
	struct conn *conn;
	uint32_t generation;
	enum numbering numbering; /* of a send with MSG_ZEROCOPY that counts; before ROUTE_KERNEL only that it does */
};

/* What the kernel is given of FLAGS: where we number, it is not asked for zero-copy. */
static inline int passage_flags(const struct passage *p, int flags)
{
	return p->numbering == NUMBERING_OURS ? flags & ~MSG_ZEROCOPY : flags;
}

/* Decide for FD. NONE of ours: ROUTE_PLAIN with conn NULL. ROUTE_ENGINE: the connection is held in a critical section,
 * which stream_recv or stream_send leaves. Otherwise nothing is held. A send first finishes placements that are under way. */
enum route stream_recv_begin(int fd, struct passage *p);
enum route stream_send_begin(int fd, int flags, struct passage *p);

/* After the kernel call: N as the kernel returned it (-1 or bytes); TAKEN false if the bytes stay in the socket (MSG_PEEK). Keeps errno. */
void stream_recv_end(const struct passage *p, int fd, ssize_t n, bool taken);
void stream_send_end(const struct passage *p, int fd, ssize_t n, int flags);

/* The same for ROUTE_PLAIN: only counts. */
void stream_recv_plain(const struct passage *p, ssize_t n, bool taken);
void stream_send_plain(const struct passage *p, ssize_t n);

/* recv and send as the kernel has them, blocking if the socket and FLAGS say so. Bytes or -errno; SIGPIPE is raised where due.
 * *OUT_FLAGS (may be NULL) as msg_flags. */
ssize_t stream_recv(const struct passage *p, int fd, const struct iovec *iov, int count, int flags, int *out_flags);
ssize_t stream_send(const struct passage *p, int fd, const struct iovec *iov, int count, int flags);

/* Whether TCP holds bytes behind X that do not belong there: the ring carries what C receives. Then the connection was reset: somebody
 * wrote past libc. Also true for the peer's probe of a dead end, which is taken away. */
bool stream_foreign(struct conn *c);

/* What comes with the bytes of a send, an address or control messages, means nothing to a stream, but the kernel refuses what is
 * malformed: it is asked. MSG may be NULL. 0 or -errno. */
int stream_send_company(int fd, const struct msghdr *msg);

/* sendfile and splice into a promoted connection: bytes of IN_FD, a FILE or else a pipe, from *OFFSET (moved on) or its file
 * position. Bytes or -errno. */
ssize_t stream_send_from(const struct passage *p, int fd, int in_fd, off_t *offset, size_t size, bool file,
			 bool nonblock);
/* splice out of a promoted connection into a pipe. */
ssize_t stream_recv_to(const struct passage *p, int fd, int out_fd, size_t size, bool nonblock);

/* FIONREAD and SIOCATMARK on a promoted receive direction. 0 or -errno; -ENOTTY: not for us, ask the kernel. */
int stream_ioctl(struct conn *c, unsigned long request, int *value);

/* shutdown(2), the kernel's part included. 0 or -errno. */
int stream_shutdown(struct conn *c, int fd, int how);

/* Takes up to SIZE of the next bytes, without blocking. > 0, 0 at the end, or -errno. */
ssize_t stream_take(struct conn *c, void *buf, size_t size);

/* SO_RCVLOWAT was set: what it makes readable is news, as for the kernel. */
void stream_lowat_changed(struct conn *c);

/* Whether TCP should be asked how the peer is, by a call that does not wait: not so soon after the last time, or after bytes came. */
bool stream_due_to_look(struct conn *c);

/* Bytes that a read could return now, TCP's and the ring's. */
size_t stream_readable(struct conn *c);

/* Whether TCP is readable for what may be a stretch's beginning: nothing tells when that is decided, and TCP tells of it again and again. */
bool stream_undecided(struct conn *c);

/* Moves MOVING to RING once TCP has been read up to X; true if it is RING (or beyond) now. */
bool stream_settle(struct conn *c);
/* Moves RING to RETURNED: it is empty and closed behind the last byte. */
void stream_settle_returned(struct conn *c);

#endif
