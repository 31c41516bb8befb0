/* What a process tells the control plane: one fixed-size record a connection, in memory that outlives the process. */
#ifndef RS_STATS_H
#define RS_STATS_H

#include <stdint.h>
#include <sys/types.h>

#define STATS_MAGIC 0x3153544154535352ull /* "RSSTATS1", little endian */
#define STATS_VERSION 1

enum stats_state {
	STATS_FREE,   /* never used */
	STATS_LIVE,   /* the connection is open, or its process died without closing it */
	STATS_CLOSED, /* the last descriptor of the last holder was closed */
};

enum transport_id { TRANSPORT_TCP, TRANSPORT_SHM, TRANSPORT_VERBS };

/* One connection, as one process sees it. Written by that process (and its forks) only, with relaxed
 * stores: a reader may see counters of slightly different moments. Sizes in bytes, times in ns of CLOCK_REALTIME. */
struct stats_conn {
	uint32_t state;         /* enum stats_state; stored last when a record is filled in */
	uint32_t pid;           /* a process that holds the connection: who opened it, until it leaves it to a child */
	int32_t fd;             /* its descriptor then */
	uint32_t reason;        /* enum reason (reason.def): why the transports are what they are */
	uint8_t send_transport; /* enum transport_id: what carries bytes to the peer now, or did at close */
	uint8_t recv_transport; /* the same for bytes from the peer */
	uint8_t family;         /* AF_INET or AF_INET6 */
	uint8_t accepted;       /* 1: came from accept; 0: from connect */
	uint16_t local_port;    /* host order */
	uint16_t peer_port;
	uint8_t local_addr[16]; /* IPv4: the first four bytes, network order */
	uint8_t peer_addr[16];
	uint64_t opened_ns;
	uint64_t promoted_ns; /* first direction left TCP; 0: never */
	uint64_t closed_ns;
	uint64_t recv_bytes; /* all transports */
	uint64_t send_bytes;
	uint64_t recv_calls;
	uint64_t send_calls;
	uint64_t shm_recv_bytes; /* the part that went through shared memory */
	uint64_t shm_send_bytes;
	uint64_t sleeps; /* times a reader or writer of this connection slept in the kernel while promoted */
	uint64_t spins;  /* waits that ended while still spinning */
	char program[32];
	uint16_t settings_line; /* of the rules: the use rule that gave it settings of its own; 0: none did */
	uint8_t reserved[78];
};
_Static_assert(sizeof(struct stats_conn) == 256, "ABI: read by other processes");

/* The head of a report file. The creator (rsrun) writes it and sizes the file; processes only move the counters. */
struct stats_file {
	uint64_t magic;
	uint32_t version;
	uint32_t record_size;
	uint32_t capacity;  /* records that follow this head */
	uint32_t next;      /* records handed out (may exceed capacity: the rest were dropped) */
	uint32_t processes; /* processes that attached */
	uint32_t reserved[57];
};
_Static_assert(sizeof(struct stats_file) == 256, "ABI: read by other processes");

/* --- the area of a living process (area.h): head, trace, records --- */

#define AREA_MAGIC 0x3141455241534f52ull /* "ROSAREA1", little endian */
#define AREA_VERSION 1
#define AREA_NAME "rsocket-stats"
#define AREA_RECORDS 16384u
#define AREA_TRACE_OFFSET 4096u
#define AREA_RECORDS_OFFSET 24576u
#define AREA_SIZE (AREA_RECORDS_OFFSET + AREA_RECORDS * sizeof(struct stats_conn))

/* What ended connections sum up to; fetch_add by the last holder of each. */
struct stats_totals {
	uint64_t connections;
	uint64_t promoted;
	uint64_t recv_bytes, send_bytes;
	uint64_t recv_calls, send_calls;
	uint64_t shm_recv_bytes, shm_send_bytes;
	uint64_t sleeps, spins;
};

/* Written by the process that made it, under its fdtab_lock. Died at any instant: nobody else writes, readers see what is there. */
struct stats_area {
	uint64_t magic; /* stored last, release: everything that never changes is there */
	uint32_t version;
	uint32_t record_size;
	uint32_t capacity;
	uint32_t used;    /* records at and after this one were never handed out; relaxed */
	uint32_t dropped; /* connections that found no record */
	uint32_t pid;
	uint64_t started_ns; /* when it was made: at the first connection */
	uint32_t trace_offset;
	uint32_t records_offset;
	char program[32];
	struct stats_totals ended;
	char report[256]; /* empty, or the report file that has the records instead */
	char trace[320];  /* empty, or the file that has the trace instead */
	uint64_t reserved[34];
};
_Static_assert(sizeof(struct stats_area) == 1008, "ABI: read by other processes");

/* Creates PATH (which must not exist) as an empty report for CAPACITY connections. 0 or -errno. */
int stats_file_create(const char *path, uint32_t capacity);

/* Copies up to MAX records out of the report at PATH. Returns how many, or -errno (-EINVAL: not a report).
 * *DROPPED gets the number of connections that found no room. */
ssize_t stats_file_read(const char *path, struct stats_conn *out, size_t max, uint32_t *dropped);

/* The record memory of this process: attaches to the report named by RSOCKET_REPORT, once. Never fails:
 * without a report, or with a broken one, records are private. */
void stats_init(void);

/* Fills in who and where: pid, program, descriptor, times; the addresses follow when they are known. */
void stats_conn_open(struct stats_conn *record, int fd, int accepted);

/* The path of that report, or NULL. */
const char *stats_report_path(void);

/* A fresh record, or NULL when the report is full or there is none (the caller then uses its own). */
struct stats_conn *stats_conn_new(void);

#endif
