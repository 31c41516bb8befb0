/* The flight recorder: the last events of a process's connections, in memory that others can read while it lives and, in a
 * file or a core, after its death. DESIGN NOTES. Only rare events are recorded (a connection opens, leaves TCP, is refused,
 * goes back, ends), none a message, so that it is always on. */
#ifndef RS_TRACE_H
#define RS_TRACE_H

#include "reason.h"

#include <stddef.h>
#include <stdint.h>

#define TRACE_MAGIC 0x3143415254534f52ull /* "ROSTRAC1", little endian */
#define TRACE_VERSION 1
#define TRACE_EVENTS 256u

/* Order is ABI: append only. */
enum trace_kind {
	TRACE_OPENED,        /* connected or accepted; value: 1 accepted */
	TRACE_REASON,        /* the reason changed: refused and why, or promoted; error: the errno behind it, if any */
	TRACE_SEND_SHM,      /* bytes to the peer left TCP; value: at which position */
	TRACE_RECV_SHM,      /* bytes from the peer left TCP; value: at which position */
	TRACE_SEND_RETURNED, /* bytes to the peer went back to TCP */
	TRACE_RECV_RETURNED, /* bytes from the peer went back to TCP */
	TRACE_ERROR,         /* a call of the program failed; error: its errno */
	TRACE_RESET,         /* we reset the connection */
	TRACE_CLOSED,        /* its last descriptor was closed; value: bytes that it moved */
	TRACE_KINDS
};

/* Written by whichever thread drew its number; a reader believes an event whose sequence is what its place says, before and
 * after it copied the rest. Died half-way: the sequence is 0 and the event is not shown. */
struct trace_event {
	uint64_t sequence;  /* number of the event + 1; 0 while it is written; stored last, release */
	uint64_t time_ns;   /* CLOCK_REALTIME */
	uint64_t opened_ns; /* with pid and fd: which connection */
	uint64_t value;
	uint32_t kind;   /* enum trace_kind */
	uint32_t reason; /* enum reason, as it is now */
	uint32_t pid;
	int32_t fd;
	int32_t error;
	uint16_t local_port; /* 0: not known yet */
	uint16_t peer_port;
	uint64_t reserved;
};
_Static_assert(sizeof(struct trace_event) == 64, "ABI: read by other processes");

struct trace_ring {
	uint64_t magic;
	uint32_t version;
	uint32_t event_size;
	uint32_t capacity; /* events that follow this head; a power of two */
	uint32_t pid;      /* the process that made it */
	uint64_t started_ns;
	uint64_t next; /* events ever drawn; fetch_add by the writer of each, forked siblings too */
	char program[32];
	uint64_t reserved[23];
	struct trace_event event[];
};
_Static_assert(offsetof(struct trace_ring, event) == 256, "ABI: read by other processes");

#define TRACE_SIZE (sizeof(struct trace_ring) + TRACE_EVENTS * sizeof(struct trace_event))

struct conn;

/* MEMORY (TRACE_SIZE zeroed bytes) is where events go from now on. */
void trace_start(struct trace_ring *memory);

/* The ring in a file of its own, which outlives the process: RSOCKET_TRACE as it was when the process started, with %p replaced by
 * the pid, or ".PID" behind it. NULL: not wanted, or not possible (a warning says so). *PATH gets SIZE bytes at most. */
struct trace_ring *trace_file_new(char *path, size_t size);

/* Once, while the environment is still what exec gave. */
void trace_init(void);

/* The errno behind the next change of a reason that this thread makes. */
void trace_blame(int error);

/* One event of C. Never blocks; does nothing before trace_start. */
void trace_add(const struct conn *c, enum trace_kind kind, int error, uint64_t value);

#endif
