/* The process (or two) that carries a plan out; everything here runs with and without the preload. */
#ifndef FUZZ_DRIVER_H
#define FUZZ_DRIVER_H

#include "plan.h"
#include <stdbool.h>
#include <stdint.h>

#define TOKENS (2 * SLOTS) /* a descriptor of either end: end * SLOTS + slot */

/* What one operation did; compared field by field. */
struct record {
	int64_t ret;
	uint64_t hash; /* of the bytes received; 0: none */
	int32_t error; /* errno when ret is negative */
	uint32_t aux
		[TOKENS]; /* poll: revents; epoll_wait: events by descriptor; recvmsg: flags and lengths; options: the value */
	uint8_t ran;     /* 0: left out, because the plan's state did not allow it */
	uint8_t sigpipe; /* SIGPIPEs that came */
	uint8_t early;   /* EAGAIN long before the receive timeout */
	uint8_t spoiled; /* memory behind the bytes received was written */
	/* epoll_wait: a bit a descriptor whose edge need not come: it says the end that the one before said; or room alone, where what woke
	 * the kernel may be below the low-water mark by now */
	uint8_t again;
	uint8_t moving; /* epoll_wait: a bit a descriptor that is watched on edges and was being promoted: not compared */
};

/* One end of the connection as the plan knows it. Counts leave the bytes of "warm" out. */
struct side {
	uint64_t sent;
	uint64_t got;
	uint32_t lowat;
	uint32_t timeout_ms;
	uint8_t fin;    /* writing side shut down */
	uint8_t deaf;   /* reading side shut down */
	uint8_t closed; /* no descriptor left */
	uint8_t nonblock;
	uint8_t linger; /* close resets */
	uint8_t corked;
	uint8_t shm_send; /* RDMA_CARRIER said so at least once */
	uint8_t shm_recv;
};

enum log_state { LOG_RUNNING, LOG_DONE, LOG_HANG, LOG_BROKEN };

/* The shared file between runner and driver processes. Written by the process whose turn it is. */
struct log {
	uint32_t state; /* enum log_state */
	uint32_t now;   /* index of the operation under way */
	uint32_t reset; /* a RST must have come to both ends */
	uint32_t go;    /* two-sided operation: its precondition held */
	uint32_t stop;  /* two-sided operation: the sender gave up */
	uint32_t reserved;
	uint64_t start;     /* transfer: position of its first byte */
	uint32_t unsettled; /* times that bytes did not arrive in time; for people, not compared */
	struct side sides[2];
	struct record records[OPS_MAX];
};

/* A process of the driver. */
struct driver {
	const struct plan *plan;
	struct log *log;
	int me;            /* the end that this process has; -1: both */
	int fds[2][SLOTS]; /* -1: never open */
	bool open[2][SLOTS];
	int sets[SETS];
	bool edge[SETS][TOKENS];     /* watched on edges, not for one shot */
	uint32_t told[SETS][TOKENS]; /* what the last edge said */
	uint8_t moving[SETS]; /* the ends, a bit each, that were not wholly promoted at the last wait on the set */
	int turn;             /* whose turn it is (two processes) */
	int token_read;
	int token_write;
};

/* Carries PLAN out and fills LOG. Does not return in the second process. */
void driver_run(const struct plan *plan, struct log *log);

/* calls.c: one operation on END by one process. */
void calls_run(struct driver *driver, const struct op *op, struct record *record);
int calls_fd(const struct driver *driver, int end);
bool calls_owns(const struct driver *driver, int end);
uint64_t calls_unread(const struct log *log, int end);
extern volatile int calls_sigpipes;

/* pair.c: operations that need both ends at once. */
void pair_run(struct driver *driver, const struct op *op, struct record *record);

/* driver.c: gives the turn to the other process, waits for it. */
void driver_pass(struct driver *driver);
void driver_wait(struct driver *driver);
bool driver_note_carrier(struct driver *driver, int end);
uint64_t driver_now_us(void);

/* data.c: the stream's bytes are a function of their position. */
void data_fill(char *out, int end, uint64_t position, size_t length);
uint64_t data_hash(uint64_t hash, const char *bytes, size_t length);

#endif
