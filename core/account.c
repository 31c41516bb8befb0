/* A connection's record for the control plane. */
#include "conn.h"
#include "kernel.h"
#include "process.h"

#include <errno.h>
#include <string.h>

void stats_conn_open(struct stats_conn *record, int fd, int accepted)
{
	record->pid = process_pid();
	record->fd = fd;
	record->accepted = (uint8_t)accepted;
	record->reason = REASON_NEW;
	record->opened_ns = clock_realtime();
	strncpy(record->program, program_invocation_short_name, sizeof record->program - 1);
	store_release(&record->state, STATS_LIVE);
}
