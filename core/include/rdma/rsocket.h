/* The rsockets interface: sockets whose names begin with r. Each call takes what the socket call of the same name takes, and fails as
 * it does; man page rsocket(7). Programs written for rdma-core's header of this name compile against this one unchanged. */
#ifndef RSOCKET_H
#define RSOCKET_H

/* Where rdma-core's other headers are installed, programs expect to get them from here. */
#if defined(__has_include)
#if __has_include(<infiniband/verbs.h>) && __has_include(<rdma/rdma_cma.h>)
#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#endif
#endif
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* DOMAIN AF_INET or AF_INET6; TYPE SOCK_STREAM or SOCK_DGRAM, with SOCK_NONBLOCK and SOCK_CLOEXEC. */
int rsocket(int domain, int type, int protocol);
int rbind(int socket, const struct sockaddr *addr, socklen_t addrlen);
int rlisten(int socket, int backlog);
/* The new rsocket has the listener's SOL_RDMA options, and its O_NONBLOCK and FD_CLOEXEC: unlike accept(2). */
int raccept(int socket, struct sockaddr *addr, socklen_t *addrlen);
/* FLAGS alone, as accept4(2), say whether it blocks and is closed on exec. Not in rdma-core. */
int raccept4(int socket, struct sockaddr *addr, socklen_t *addrlen, int flags);
int rconnect(int socket, const struct sockaddr *addr, socklen_t addrlen);
int rshutdown(int socket, int how);
int rclose(int socket);
/* Not in rdma-core. */
int rdup(int socket);

ssize_t rrecv(int socket, void *buf, size_t len, int flags);
ssize_t rrecvfrom(int socket, void *buf, size_t len, int flags, struct sockaddr *src_addr, socklen_t *addrlen);
ssize_t rrecvmsg(int socket, struct msghdr *msg, int flags);
ssize_t rread(int socket, void *buf, size_t count);
ssize_t rreadv(int socket, const struct iovec *iov, int iovcnt);

/* None of these raises SIGPIPE; a connection that cannot be written to any more gives ECONNRESET. */
ssize_t rsend(int socket, const void *buf, size_t len, int flags);
ssize_t rsendto(int socket, const void *buf, size_t len, int flags, const struct sockaddr *dest_addr,
		socklen_t addrlen);
ssize_t rsendmsg(int socket, const struct msghdr *msg, int flags);
ssize_t rwrite(int socket, const void *buf, size_t count);
ssize_t rwritev(int socket, const struct iovec *iov, int iovcnt);

/* Not in rdma-core. */
struct mmsghdr;
int rrecvmmsg(int socket, struct mmsghdr *vec, unsigned int count, int flags, struct timespec *timeout);
int rsendmmsg(int socket, struct mmsghdr *vec, unsigned int count, int flags);

/* Rsockets and other descriptors, mixed. */
int rpoll(struct pollfd *fds, nfds_t nfds, int timeout);
int rselect(int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds, struct timeval *timeout);
/* Not in rdma-core. */
int rppoll(struct pollfd *fds, nfds_t nfds, const struct timespec *timeout, const sigset_t *sigmask);

/* epoll_create1, epoll_ctl and epoll_wait; the set is closed by rclose. */
int repoll_create(int flags);
int repoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
int repoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout);

/* Lets the peer reach LEN bytes at BUF under OFFSET (-1: under their address, which is returned): PROT_WRITE for its riowrite, PROT_READ
 * for its rioread, PROT_NONE for neither. As many as the peer's RDMA_IOMAPSIZE. Once the peer received anything sent after it, it is
 * there. riounmap: when it has returned nobody writes there any more. */
off_t riomap(int socket, void *buf, size_t len, int prot, int flags, off_t offset);
int riounmap(int socket, void *buf, size_t len);
/* Straight into, and out of, the memory that the peer mapped; the peer takes no part. All of COUNT, or less where the map ends; (size_t)-1 on
 * failure. Done when it returns, before anything that is sent later. rioread is not in rdma-core. */
size_t riowrite(int socket, const void *buf, size_t count, off_t offset, int flags);
size_t rioread(int socket, void *buf, size_t count, off_t offset, int flags);

/* With MSG_ZEROCOPY in FLAGS both return COUNT at once, and BUF is lent until the completion. That has the next number of the socket's
 * MSG_ZEROCOPY sends and comes as theirs do: POLLERR, then rrecvmsg(socket, msg, MSG_ERRQUEUE) gives a struct sock_extended_err with origin
 * SO_EE_ORIGIN_ZEROCOPY whose ee_info to ee_data are the numbers that are done. One that failed stands alone: ee_errno says why, and a
 * second control message, of level SOL_RDMA and type RDMA_PLACED, has a struct rdma_placed. SO_ZEROCOPY is not needed. The work is done
 * in rpoll, rselect, repoll_wait and rrecvmsg(MSG_ERRQUEUE), a slice at a time. Not in rdma-core. */
#define RDMA_PLACED 0x101

struct rdma_placed {
	uint64_t bytes;  /* done, from the start of the buffer; those after them may be as before or not */
	uint32_t number; /* as ee_info and ee_data */
	uint32_t error;  /* as ee_errno */
};

int rgetpeername(int socket, struct sockaddr *addr, socklen_t *addrlen);
int rgetsockname(int socket, struct sockaddr *addr, socklen_t *addrlen);

#define SOL_RDMA 0x10000
/* Options of level SOL_RDMA: int but the last, struct ibv_path_data[]. Set before the connection is asked for. */
enum { RDMA_SQSIZE, RDMA_RQSIZE, RDMA_INLINE, RDMA_IOMAPSIZE, RDMA_ROUTE };

int rsetsockopt(int socket, int level, int optname, const void *optval, socklen_t optlen);
int rgetsockopt(int socket, int level, int optname, void *optval, socklen_t *optlen);
int rfcntl(int socket, int cmd, ... /* arg */);

/* rgetsockopt(socket, SOL_RDMA, RDMA_CARRIER, struct rdma_carrier *, socklen_t *), and getsockopt under the preload: what carries a
 * connection. Fails with ENOTSUP or EOPNOTSUPP where the toolkit is not loaded or the socket is neither a TCP connection nor a
 * datagram rsocket. */
#define RDMA_CARRIER 0x100

enum rdma_transport { RDMA_TRANSPORT_TCP, RDMA_TRANSPORT_SHM, RDMA_TRANSPORT_VERBS };

struct rdma_carrier {
	uint32_t send;   /* enum rdma_transport: bytes written now go this way */
	uint32_t recv;   /* enum rdma_transport: bytes the peer writes now come this way */
	uint32_t reason; /* row of the reason table */
	uint32_t reserved;
	uint64_t send_bytes; /* total, all transports */
	uint64_t recv_bytes;
	uint64_t shm_send_bytes; /* the part through shared memory */
	uint64_t shm_recv_bytes;
	char reason_code[32]; /* "promoted", "peer-absent", ... */
};

#ifdef __cplusplus
}
#endif
#endif
