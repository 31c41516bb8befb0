/* Where others find the statistics of a living process: one memory a process, made at its first connection. DESIGN NOTES. It is
 * a memfd, found by its name through /proc/PID/fd: that needs no more than the right to look at the process, which ptrace_scope does
 * not take away; no file is left behind whatever kills the process, chroot and setuid change nothing. Where a memfd might be noticed
 * (a system-call filter, a small RLIMIT_NOFILE) it is anonymous shared memory instead, found through /proc/PID/maps
 * and /proc/PID/mem. Layout: struct stats_area, the trace at AREA_TRACE_OFFSET, records from AREA_RECORDS_OFFSET on. */
#ifndef RS_AREA_H
#define RS_AREA_H

#include "stats.h"
#include "trace.h"

/* The three below: the caller holds fdtab_lock. */

/* Makes the area unless there is one; without memory there is none, and records stay private. */
void area_prepare(void);
/* A zeroed record of this process, or NULL. */
struct stats_conn *area_conn_new(void);
/* RECORD may serve another connection, if it is ours and closed. */
void area_conn_free(struct stats_conn *record);

/* Adds RECORD, which its last holder closes, to what ended connections sum up to. */
void area_account(const struct stats_conn *record);

/* In a forked child: records of the parent's area stay where they are; later ones come from one of its own. */
void area_forked(void);

#endif
