/* The public C interface: what a program can ask about its connections. */
#ifndef RSOCKET_H
#define RSOCKET_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SOL_RDMA 0x10000

/* getsockopt(fd, SOL_RDMA, RDMA_CARRIER, struct rdma_carrier *, socklen_t *): what carries a connection.
 * Fails with ENOTSUP or EOPNOTSUPP where the toolkit is not loaded or FD is not a TCP connection. */
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
