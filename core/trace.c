/* The flight recorder's ring: who writes an event draws its number first, so that threads never share one. */
#include "trace.h"
#include "conn.h"
#include "kernel.h"
#include "log.h"
#include "process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

_Static_assert((TRACE_EVENTS & (TRACE_EVENTS - 1)) == 0, "numbers come round");

static struct trace_ring *ring;
static char wanted[256];
static __thread int blamed;

void trace_init(void)
{
	const char *path = secure_getenv("RSOCKET_TRACE");

	if (path && strlen(path) < sizeof wanted)
		strcpy(wanted, path);
}

void trace_start(struct trace_ring *memory)
{
	memory->version = TRACE_VERSION;
	memory->event_size = sizeof(struct trace_event);
	memory->capacity = TRACE_EVENTS;
	memory->pid = process_pid();
	memory->started_ns = clock_realtime();
	strncpy(memory->program, program_invocation_short_name, sizeof memory->program - 1);
	store_release(&memory->magic, TRACE_MAGIC);
	store_release(&ring, memory);
}

static void path_expand(char *path, size_t size)
{
	const char *mark = strstr(wanted, "%p");

	if (mark)
		snprintf(path, size, "%.*s%u%s", (int)(mark - wanted), wanted, process_pid(), mark + 2);
	else
		snprintf(path, size, "%s.%u", wanted, process_pid());
}

struct trace_ring *trace_file_new(char *path, size_t size)
{
	void *memory = MAP_FAILED;
	struct rlimit limit;
	int fd, error = 0;

	if (!wanted[0] || load_relaxed(&process_filtered))
		return NULL;
	path_expand(path, size);
	/* Going over the limit is a signal, not an error. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < TRACE_SIZE)
		return NULL;
	fd = sys_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0) {
		/* Allocated, not only sized: a full file system is an error here, not a SIGBUS. */
		error = (int)sys_call4(SYS_fallocate, fd, 0, 0, TRACE_SIZE);
		if (error == -EOPNOTSUPP)
			error = (int)sys_call2(SYS_ftruncate, fd, TRACE_SIZE);
		if (error == 0)
			memory = mmap(NULL, TRACE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		sys_close(fd);
	}
	if (memory != MAP_FAILED)
		return memory;
	log_at(LOG_WARN, "no trace is kept in %s: %s", path, strerror(fd < 0 ? -fd : error ? -error : ENOMEM));
	return NULL;
}

void trace_blame(int error)
{
	blamed = error;
}

void trace_add(const struct conn *c, enum trace_kind kind, int error, uint64_t value)
{
	struct trace_ring *to = load_acquire(&ring);
	const struct stats_conn *stats = c->stats;
	struct trace_event *event;
	uint64_t number;

	if (!to)
		return;
	if (kind == TRACE_REASON) {
		error = blamed;
		blamed = 0;
	}
	number = fetch_add(&to->next, 1);
	event = &to->event[number & (TRACE_EVENTS - 1)];
	exchange(&event->sequence, 0); /* a full barrier: not stored before what follows is */
	/* The record has just been given the time of these two. */
	event->opened_ns = load_relaxed(&stats->opened_ns);
	event->time_ns = kind == TRACE_OPENED   ? event->opened_ns
			 : kind == TRACE_CLOSED ? load_relaxed(&stats->closed_ns)
						: clock_realtime();
	event->value = value;
	event->kind = kind;
	event->reason = load_relaxed(&stats->reason);
	event->pid = process_pid();
	event->fd = conn_fd(c);
	event->error = error;
	event->local_port = load_relaxed(&stats->local_port);
	event->peer_port = load_relaxed(&stats->peer_port);
	store_release(&event->sequence, number + 1);
}
