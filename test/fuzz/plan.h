/* A plan: what one fuzz case does, made from a seed, kept as text. */
#ifndef FUZZ_PLAN_H
#define FUZZ_PLAN_H

#include <stdint.h>
#include <stdio.h>

#define OPS_MAX 96
#define SLOTS 4 /* descriptors that an end can have; the last one is a stdio number (end A: 0, end B: 1) */
#define STDIO_SLOT 3
#define SETS 2 /* epoll sets of a process */
#define SIZE_MAX_OP 300000

/* KIND(enumerator, text, weight among all operations) */
#define OP_KINDS(KIND)                    \
	KIND(SEND, "send", 22)            \
	KIND(RECV, "recv", 26)            \
	KIND(POLL, "poll", 9)             \
	KIND(EPOLL_CTL, "epoll_ctl", 7)   \
	KIND(EPOLL_WAIT, "epoll_wait", 9) \
	KIND(SHUTDOWN, "shutdown", 2)     \
	KIND(CLOSE, "close", 2)           \
	KIND(DUP, "dup", 3)               \
	KIND(FIONREAD, "fionread", 4)     \
	KIND(SETOPT, "setsockopt", 4)     \
	KIND(SOERROR, "so_error", 2)      \
	KIND(NONBLOCK, "nonblock", 1)     \
	KIND(WARM, "warm", 4)             \
	KIND(XFER, "xfer", 3)             \
	KIND(LATE, "late", 4)

enum op_kind {
#define KIND(id, text, weight) OP_##id,
	OP_KINDS(KIND)
#undef KIND
		OP_KINDS_COUNT
};

/* How an operation is spelled: which libc call does it. */
enum send_call { SEND_SEND, SEND_WRITE, SEND_WRITEV, SEND_SENDMSG, SEND_SENDTO, SEND_CALLS };
enum recv_call { RECV_RECV, RECV_READ, RECV_READV, RECV_RECVMSG, RECV_RECVFROM, RECV_CALLS };
enum poll_call { POLL_POLL, POLL_PPOLL, POLL_SELECT, POLL_PSELECT, POLL_CALLS };
enum wait_call { WAIT_WAIT, WAIT_PWAIT, WAIT_PWAIT2, WAIT_CALLS };
enum dup_call { DUP_DUP, DUP_DUP2, DUP_DUP3, DUP_FCNTL, DUP_CLOEXEC, DUP_CALLS };
enum set_option { SET_RCVLOWAT, SET_RCVTIMEO, SET_NODELAY, SET_CORK, SET_LINGER, SET_OPTIONS };
enum xfer_call { XFER_STEPS, XFER_THREAD, XFER_CALLS };
enum late_call { LATE_RECV, LATE_POLL, LATE_EPOLL, LATE_CALLS };

/* One operation. Fields that a kind does not use are 0. */
struct op {
	uint8_t kind;  /* enum op_kind */
	uint8_t end;   /* 0: A, 1: B */
	uint8_t slot;  /* which descriptor of the end */
	uint8_t slot2; /* dup: the target */
	uint8_t call;  /* the spelling, see above; epoll_ctl: EPOLL_CTL_*; setsockopt: enum set_option; shutdown: how */
	uint8_t fork;  /* 1: a child does it and exits */
	uint8_t set;   /* epoll set */
	uint8_t parts; /* pieces of a vector */
	uint32_t size; /* bytes; setsockopt, nonblock: the value; late: bytes the blocked call asks for */
	uint32_t size2; /* late: bytes that the other end sends meanwhile; 0: it shuts down its writing side */
	uint32_t flags; /* MSG_*; poll: bit set of end * SLOTS + slot */
	uint32_t events;
};

/* A whole case. */
struct plan {
	uint64_t seed;
	uint32_t tiny; /* rings of `ring` bytes; `cap` is half of it */
	uint32_t two;  /* each end is a process; else one thread is both */
	uint32_t ipv6;
	uint32_t nodelay;
	uint32_t buffers;  /* large socket buffers, so that a send of 300 kB is readable at once */
	uint32_t zerocopy; /* both ends have SO_ZEROCOPY */
	uint32_t cap;      /* a send is cut so that no more bytes than this are unread in its direction */
	uint32_t ring;     /* RSOCKET_SET: ring_size; 0: the default */
	uint32_t calls;    /* promote_after_calls */
	uint32_t polling;  /* polling_time */
	uint32_t count;
	struct op ops[OPS_MAX];
};

/* Makes the case of SEED. */
void plan_make(struct plan *plan, uint64_t seed, int tiny);

void plan_write(const struct plan *plan, FILE *out);

/* 0, or -1 with a message on standard error that names the line. */
int plan_read(struct plan *plan, FILE *in);

/* One line of text, without newline. */
void op_write(const struct op *op, FILE *out);

#endif
