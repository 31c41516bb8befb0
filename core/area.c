/* The memory through which a living process shows its connections. */
#include "area.h"
#include "conn.h"
#include "kernel.h"
#include "process.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define PAGE_RECORDS 64u  /* records whose pages are asked for at once */
#define NOFILE_MIN 256    /* with fewer descriptors allowed, one of ours could be missed */
#define STRAYS_ENOUGH 64u /* records that others closed, before a scan is worth it */

_Static_assert(AREA_TRACE_OFFSET >= sizeof(struct stats_area), "head, trace, records");
_Static_assert(AREA_RECORDS_OFFSET >= AREA_TRACE_OFFSET + TRACE_SIZE, "head, trace, records");
_Static_assert(AREA_RECORDS <= 1 << 16, "fits the list of free ones");
_Static_assert(AREA_RECORDS % PAGE_RECORDS == 0, "whole pieces");

static struct stats_area *area;   /* this process's; NULL in a forked child until its first connection */
static struct stats_area *totals; /* the same, or the parent's meanwhile */
static int area_fd = -1;
static bool failed;
static uint16_t free_records[AREA_RECORDS];
static unsigned free_count;
static unsigned strays; /* records that were still held by a sibling when we let go */

/* Pages that are there: a store without them is SIGBUS when memory is short. */
static bool populate(void *start, size_t size)
{
	/* EINVAL: a kernel before 5.14; there the first store finds out. */
	return madvise(start, size, MADV_POPULATE_WRITE) == 0 || errno == EINVAL;
}

static struct stats_conn *records_of(struct stats_area *a)
{
	return (struct stats_conn *)((char *)a + AREA_RECORDS_OFFSET);
}

static bool descriptor_wanted(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= NOFILE_MIN &&
	       !load_relaxed(&process_filtered) && sys_call2(SYS_prctl, PR_GET_SECCOMP, 0) == 0;
}

static void *memory_new(void)
{
	void *map = MAP_FAILED;

	if (descriptor_wanted() && kernel_memory_new(AREA_NAME, AREA_SIZE, 0, &area_fd, &map) < 0)
		map = MAP_FAILED;
	if (map == MAP_FAILED) {
		area_fd = -1;
		map = mmap(NULL, AREA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	}
	if (map == MAP_FAILED || populate(map, AREA_RECORDS_OFFSET))
		return map == MAP_FAILED ? NULL : map;
	own_fd_close(area_fd);
	area_fd = -1;
	kernel_unmap(map, AREA_SIZE);
	return NULL;
}

void area_prepare(void)
{
	int saved = errno;
	struct stats_area *new;
	struct trace_ring *ring;

	if (area || failed)
		return;
	new = memory_new();
	failed = !new;
	if (new) {
		new->version = AREA_VERSION;
		new->record_size = sizeof(struct stats_conn);
		new->capacity = AREA_RECORDS;
		new->pid = process_pid();
		new->started_ns = clock_realtime();
		new->trace_offset = AREA_TRACE_OFFSET;
		new->records_offset = AREA_RECORDS_OFFSET;
		strncpy(new->program, program_invocation_short_name, sizeof new->program - 1);
		if (stats_report_path())
			strncpy(new->report, stats_report_path(), sizeof new->report - 1);
		ring = trace_file_new(new->trace, sizeof new->trace);
		if (!ring)
			new->trace[0] = 0;
		trace_start(ring ? ring : (struct trace_ring *)((char *)new + AREA_TRACE_OFFSET));
		store_release(&new->magic, AREA_MAGIC);
		area = new;
		store_release(&totals, new);
	}
	errno = saved;
}

/* The list is empty: whatever is closed belongs to nobody. A dead holder closes nothing. */
static void collect(void)
{
	struct stats_conn *records = records_of(area);

	strays = 0;
	for (unsigned i = area->used; i--;) {
		uint32_t state = load_acquire(&records[i].state), pid = load_relaxed(&records[i].pid);

		if (state == STATS_LIVE && pid != process_pid() && !load_relaxed(&process_filtered) &&
		    sys_call2(SYS_kill, pid, 0) == -ESRCH)
			state = STATS_CLOSED;
		if (state != STATS_LIVE)
			free_records[free_count++] = (uint16_t)i;
	}
}

struct stats_conn *area_conn_new(void)
{
	struct stats_conn *record;

	if (!area)
		return NULL;
	if (!free_count && (strays >= STRAYS_ENOUGH || area->used == AREA_RECORDS))
		collect();
	if (!free_count) {
		struct stats_conn *fresh = records_of(area) + area->used;

		if (area->used == AREA_RECORDS || !populate(fresh, PAGE_RECORDS * sizeof *fresh)) {
			store_relaxed(&area->dropped, area->dropped + 1);
			return NULL;
		}
		for (unsigned i = PAGE_RECORDS; i--;)
			free_records[free_count++] = (uint16_t)(area->used + i);
		store_relaxed(&area->used, area->used + PAGE_RECORDS);
	}
	record = &records_of(area)[free_records[--free_count]];
	/* A reader must not take the next connection's numbers for the last one's. */
	exchange(&record->state, STATS_FREE);
	memset(record, 0, sizeof *record);
	return record;
}

void area_conn_free(struct stats_conn *record)
{
	if (!area || record < records_of(area) || record >= records_of(area) + AREA_RECORDS)
		return;
	if (load_acquire(&record->state) == STATS_LIVE)
		strays++;
	else
		free_records[free_count++] = (uint16_t)(record - records_of(area));
}

static void total_add(uint64_t *total, const uint64_t *part)
{
	uint64_t value = load_relaxed(part);

	/* Most are zero for a short connection, and the addition is a locked one. */
	if (value)
		fetch_add(total, value);
}

void area_account(const struct stats_conn *record)
{
	struct stats_area *to = load_acquire(&totals);

	if (!to)
		return;
	fetch_add(&to->ended.connections, 1);
	if (load_relaxed(&record->promoted_ns))
		fetch_add(&to->ended.promoted, 1);
	total_add(&to->ended.recv_bytes, &record->recv_bytes);
	total_add(&to->ended.send_bytes, &record->send_bytes);
	total_add(&to->ended.recv_calls, &record->recv_calls);
	total_add(&to->ended.send_calls, &record->send_calls);
	total_add(&to->ended.shm_recv_bytes, &record->shm_recv_bytes);
	total_add(&to->ended.shm_send_bytes, &record->shm_send_bytes);
	total_add(&to->ended.sleeps, &record->sleeps);
	total_add(&to->ended.spins, &record->spins);
}

static bool in_use(struct stats_area *a)
{
	for (unsigned i = 0; i < a->used; i++)
		if (load_relaxed(&records_of(a)[i].state) == STATS_LIVE)
			return true;
	return false;
}

void area_forked(void)
{
	/* The mapping stays: records in it are this process's connections too. So does the descriptor then: the parent may end first. */
	if (area && area_fd >= 0 && !in_use(area))
		own_fd_close(area_fd);
	area_fd = -1;
	area = NULL;
	free_count = 0;
	strays = 0;
	failed = false;
}
