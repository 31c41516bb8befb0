/* Who owns the other end of a local TCP connection, or a UDP port: NETLINK_SOCK_DIAG, unprivileged. */
#ifndef RS_DIAG_H
#define RS_DIAG_H

#include <stdint.h>
#include <sys/socket.h>

/* The two ends of a connection as one of them sees it. IPv4-mapped addresses are given as IPv4. Ports in host order. */
struct tuple {
	uint8_t family; /* AF_INET or AF_INET6 */
	uint16_t local_port, peer_port;
	uint8_t local[16], peer[16]; /* IPv4: the first four bytes, the rest 0 */
};

/* 0, -ENOTCONN, -EAFNOSUPPORT (not TCP over IP), or another -errno. */
int tuple_of(int fd, struct tuple *tuple);

struct diag_owner {
	uint32_t uid;
	uint64_t cookie;
};

/* The socket in this network namespace that is the peer's end of TUPLE. 0, -ENOENT (no such socket: the peer is elsewhere),
 * or -errno when the kernel cannot say. */
int diag_peer(const struct tuple *tuple, struct diag_owner *owner);

/* One end, IPv4-mapped addresses as IPv4, the port in host order. */
struct diag_end {
	uint8_t family; /* AF_INET or AF_INET6 */
	uint16_t port;
	uint8_t addr[16];
};

/* 0 or -EAFNOSUPPORT. */
int diag_end_of(const struct sockaddr_storage *ss, struct diag_end *end);

/* The UDP socket of this network namespace that a datagram FROM one end TO the other reaches, by the kernel's own choice, and its
 * SO_RCVBUF. 0, -ENOENT (none), or -errno. */
int diag_udp(const struct diag_end *from, const struct diag_end *to, struct diag_owner *owner, uint32_t *rcvbuf);

#endif
