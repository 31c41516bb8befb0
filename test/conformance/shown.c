/* What a process shows to others: its connections while it lives (core/area.h), their last events also after its death. Read as another
 * program would, from its memfd or its memory. */
#include "kit.h"

#include "../../core/stats.h"
#include "../../core/trace.h"

#include <dirent.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* One process at one moment. */
struct view {
	bool by_memfd;
	struct stats_area head;
	struct stats_conn record[2048];
	unsigned count;
	char trace[TRACE_SIZE] __attribute__((aligned(8)));
};

/* Where PID's area is mapped; 0: nowhere. WHAT: the name of the mapping. */
static uintptr_t mapping_find(pid_t pid, const char *what)
{
	char path[64], line[512];
	uintptr_t found = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "r");
	CHECK(maps);
	while (!found && fgets(line, sizeof(line), maps)) {
		unsigned long from, to;

		if (strstr(line, what) && sscanf(line, "%lx-%lx", &from, &to) == 2 && to - from >= AREA_SIZE)
			found = from;
	}
	fclose(maps);
	return found;
}

/* A descriptor of PID's memfd, opened anew: its own, else one that it inherited; -1: it has none. */
static int memfd_open(pid_t pid)
{
	static const char name[] = "/memfd:" AREA_NAME " ";
	char path[64], target[128];
	struct dirent *entry;
	int found = -1;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	fds = opendir(path);
	CHECK(fds);
	while ((entry = readdir(fds))) {
		ssize_t length = readlinkat(dirfd(fds), entry->d_name, target, sizeof(target));
		struct stats_area head;
		int fd;

		if (length < (ssize_t)sizeof(name) || strncmp(target, name, sizeof(name) - 1) != 0)
			continue;
		fd = (int)MUST(openat(dirfd(fds), entry->d_name, O_RDONLY | O_CLOEXEC));
		CHECK_EQ(MUST(pread(fd, &head, sizeof(head), 0)), sizeof(head));
		if (found >= 0 && head.pid != (uint32_t)pid) {
			MUST(close(fd));
			continue;
		}
		if (found >= 0)
			MUST(close(found));
		found = fd;
	}
	closedir(fds);
	return found;
}

/* False: PID shows nothing. */
static bool look(pid_t pid, struct view *view)
{
	int fd = memfd_open(pid);
	off_t base = 0;
	char path[64];

	memset(view, 0, sizeof(*view));
	view->by_memfd = fd >= 0;
	if (fd < 0) {
		base = (off_t)mapping_find(pid, "/dev/zero (deleted)");
		if (!base)
			return false;
		snprintf(path, sizeof(path), "/proc/%d/mem", pid);
		fd = (int)MUST(open(path, O_RDONLY | O_CLOEXEC));
	}
	CHECK_EQ(MUST(pread(fd, &view->head, sizeof(view->head), base)), sizeof(view->head));
	CHECK_EQ(view->head.magic, AREA_MAGIC);
	view->count = view->head.used;
	CHECK(view->count <= sizeof(view->record) / sizeof(*view->record));
	MUST(pread(fd, view->record, view->count * sizeof(*view->record), base + view->head.records_offset));
	MUST(pread(fd, view->trace, TRACE_SIZE, base + view->head.trace_offset));
	MUST(close(fd));
	return true;
}

static void must_look(pid_t pid, struct view *view)
{
	CHECK(look(pid, view));
}

/* The open connection that PID has as FD; NULL: none. */
static const struct stats_conn *find(const struct view *view, pid_t pid, int fd)
{
	for (unsigned i = 0; i < view->count; i++)
		if (view->record[i].state == STATS_LIVE && view->record[i].pid == (uint32_t)pid &&
		    view->record[i].fd == fd)
			return &view->record[i];
	return NULL;
}

static unsigned count_live(const struct view *view)
{
	unsigned live = 0;

	for (unsigned i = 0; i < view->count; i++)
		live += view->record[i].state == STATS_LIVE;
	return live;
}

static bool has_event(const char *trace, enum trace_kind kind, int fd)
{
	const struct trace_ring *ring = (const struct trace_ring *)trace;

	CHECK_EQ(ring->magic, TRACE_MAGIC);
	CHECK_EQ(ring->capacity, TRACE_EVENTS);
	for (unsigned i = 0; i < TRACE_EVENTS; i++)
		if (ring->event[i].sequence && ring->event[i].kind == kind && ring->event[i].fd == fd)
			return true;
	return false;
}

CASE(an_open_connection_with_what_it_moved, ours, tcp)
{
	static struct view view;
	struct pair pair = PAIR;
	const struct stats_conn *a, *b;
	uint64_t before;

	must_look(getpid(), &view);
	a = find(&view, getpid(), pair.a);
	CHECK(a);
	before = a->send_bytes;
	PUT(pair.a, "hello");
	CHECK_GETS(pair.b, "hello");
	must_look(getpid(), &view);
	CHECK(view.by_memfd);
	a = find(&view, getpid(), pair.a);
	b = find(&view, getpid(), pair.b);
	CHECK(a && b);
	CHECK_EQ(a->send_bytes, before + 5);
	CHECK_EQ(b->recv_bytes, before + 5);
	CHECK_EQ(a->accepted, 0);
	CHECK_EQ(b->accepted, 1);
	CHECK_EQ(a->local_port, b->peer_port);
	CHECK_EQ(a->send_transport, kit_expect() == EXPECT_SHM ? TRANSPORT_SHM : TRANSPORT_TCP);
	CHECK(has_event(view.trace, TRACE_OPENED, pair.a) && has_event(view.trace, TRACE_REASON, pair.a));
	CHECK_EQ(has_event(view.trace, TRACE_SEND_SHM, pair.a), kit_expect() == EXPECT_SHM);
	pair_close(&pair);
	must_look(getpid(), &view);
	CHECK_EQ(count_live(&view), 0);
	CHECK(has_event(view.trace, TRACE_CLOSED, pair.a));
}

CASE(ended_ones_sum_up_and_make_room, ours, tcp)
{
	static struct view view;

	for (int i = 0; i < 200; i++) {
		struct pair pair = pair_new(AF_INET);

		PUT(pair.a, "x");
		CHECK_GETS(pair.b, "x");
		pair_close(&pair);
	}
	must_look(getpid(), &view);
	CHECK_EQ(view.head.ended.connections, 400);
	CHECK_EQ(view.head.ended.send_bytes, 200);
	CHECK_EQ(view.head.ended.recv_calls, 200);
	CHECK_EQ(view.head.used, 64);
	CHECK_EQ(view.head.dropped, 0);
	CHECK_EQ(count_live(&view), 0);
}

/* As a server that forks after accept: the parent's record names the child, and the child closes it. */
CASE(a_connection_left_to_a_child, ours, tcp)
{
	static struct view view;
	struct pair pair = pair_new(AF_INET);
	int b = pair.b;
	pid_t child;
	char byte;

	child = (pid_t)MUST(fork());
	if (child == 0) {
		MUST(close(pair.a));
		PUT(pair.b, "r");
		CHECK_GETS(pair.b, "x");
		PUT(pair.b, "y");
		/* Until the other end is closed. */
		CHECK_EQ(MUST(recv(pair.b, &byte, 1, 0)), 0);
		_exit(0);
	}
	CHECK_GETS(pair.a, "r");
	MUST(close(pair.b));
	PUT(pair.a, "x");
	CHECK_GETS(pair.a, "y");
	must_look(getpid(), &view);
	CHECK(find(&view, child, b));
	CHECK(!find(&view, getpid(), b));
	CHECK_EQ(find(&view, child, b)->recv_bytes, 1);
	/* The child has the memory too, in case the parent ends first. */
	must_look(child, &view);
	CHECK(find(&view, child, b));
	MUST(close(pair.a));
	CHECK_EXITS(child, 0);
	must_look(getpid(), &view);
	CHECK_EQ(count_live(&view), 0);
	CHECK_EQ(view.head.ended.connections, 2);
}

/* Records that forked children closed are used again. */
CASE(records_that_children_closed, ours)
{
	static struct view view;

	for (int i = 0; i < 150; i++) {
		struct pair pair = pair_new(AF_INET);
		pid_t child = (pid_t)MUST(fork());

		if (child == 0) {
			MUST(close(pair.a));
			CHECK_GETS(pair.b, "x");
			_exit(0);
		}
		MUST(close(pair.b));
		PUT(pair.a, "x");
		CHECK_EOF(pair.a);
		CHECK_EXITS(child, 0);
		MUST(close(pair.a));
	}
	must_look(getpid(), &view);
	CHECK(view.head.used <= 192);
	CHECK_EQ(count_live(&view), 0);
}

CASE(a_child_shows_what_it_opened_itself, ours)
{
	static struct view view;
	struct pair pair = pair_new(AF_INET), own;
	int ready[2], done[2];
	pid_t child;
	char byte;

	MUST(pipe(ready));
	MUST(pipe(done));
	child = (pid_t)MUST(fork());
	if (child == 0) {
		MUST(close(done[1]));
		pair_close(&pair);
		own = pair_new(AF_INET);
		MUST(write(ready[1], "r", 1));
		CHECK_EQ(MUST(read(done[0], &byte, 1)), 0);
		pair_close(&own);
		_exit(0);
	}
	CHECK_EQ(MUST(read(ready[0], &byte, 1)), 1);
	must_look(getpid(), &view);
	CHECK_EQ(view.head.pid, getpid());
	CHECK_EQ(count_live(&view), 2);
	CHECK_EQ(view.head.ended.connections, 0);
	must_look(child, &view);
	CHECK_EQ(view.head.pid, child);
	CHECK_EQ(count_live(&view), 2);
	MUST(close(done[1]));
	CHECK_EXITS(child, 0);
	pair_close(&pair);
}

/* Where a descriptor of ours could be missed there is none, and the memory is found all the same. */
CASE(without_a_descriptor, ours)
{
	struct rlimit limit = {128, 128};
	static struct view view;
	struct pair pair;

	MUST(setrlimit(RLIMIT_NOFILE, &limit));
	pair = pair_new(AF_INET);
	must_look(getpid(), &view);
	CHECK(!view.by_memfd);
	CHECK(find(&view, getpid(), pair.a) && find(&view, getpid(), pair.b));
	pair_close(&pair);
}

/* A filter that would kill for memfd_create is never asked. */
CASE(under_a_filter, ours)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(*code), code};
	static struct view view;
	struct pair pair;

	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
	pair = pair_new(AF_INET);
	must_look(getpid(), &view);
	CHECK(!view.by_memfd);
	CHECK(find(&view, getpid(), pair.a));
	pair_close(&pair);
}

/* Why it could not be promoted is told with the errno: no descriptor is left for the ring. */
CASE(a_refusal_with_its_errno, ours)
{
	struct pair pair = pair_new(AF_INET);
	const struct trace_ring *ring;
	struct rlimit limit;
	static struct view view;
	bool told = false;
	char byte;

	MUST(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = 0;
	MUST(setrlimit(RLIMIT_NOFILE, &limit));
	for (int i = 0; i < 20; i++) {
		MUST(send(pair.a, "x", 1, 0));
		CHECK_EQ(MUST(recv(pair.b, &byte, 1, 0)), 1);
		MUST(send(pair.b, "y", 1, 0));
		CHECK_EQ(MUST(recv(pair.a, &byte, 1, 0)), 1);
	}
	limit.rlim_cur = 1024;
	MUST(setrlimit(RLIMIT_NOFILE, &limit));
	must_look(getpid(), &view);
	ring = (const struct trace_ring *)view.trace;
	for (unsigned i = 0; i < TRACE_EVENTS; i++)
		told |= ring->event[i].kind == TRACE_REASON && ring->event[i].error == EMFILE;
	CHECK(told);
	pair_close(&pair);
}

PROGRAM(connect_and_be_killed)
{
	struct pair pair = PAIR;

	PUT(pair.a, "hello");
	CHECK_GETS(pair.b, "hello");
	raise(SIGKILL);
	return 1;
}

CASE(events_in_a_file_outlive_a_kill, ours, tcp)
{
	static char trace[TRACE_SIZE + 1] __attribute__((aligned(8)));
	char template[] = "/tmp/rsocket-trace-XXXXXX", wish[64], path[96];
	const struct trace_ring *ring = (const struct trace_ring *)trace;
	pid_t child;
	int fd;

	CHECK(mkdtemp(template));
	snprintf(wish, sizeof(wish), "%s/%%p.trace", template);
	child = (pid_t)MUST(fork());
	if (child == 0) {
		MUST(setenv("RSOCKET_TRACE", wish, 1));
		execve("/proc/self/exe", kit_program_argv("connect_and_be_killed", NULL, NULL, NULL, NULL),
		       kit_program_envp(false));
		FAIL("exec");
	}
	kit_wait_killed(child, SIGKILL);
	snprintf(path, sizeof(path), "%s/%d.trace", template, child);
	fd = (int)MUST(open(path, O_RDONLY | O_CLOEXEC));
	CHECK_EQ(MUST(read(fd, trace, sizeof(trace))), TRACE_SIZE);
	MUST(close(fd));
	MUST(unlink(path));
	MUST(rmdir(template));
	CHECK_EQ(ring->pid, child);
	CHECK(ring->next >= 4);
	for (uint64_t i = 0; i < ring->next && i < TRACE_EVENTS; i++)
		CHECK_EQ(ring->event[i].sequence, i + 1);
	CHECK_EQ(ring->event[0].kind, TRACE_OPENED);
	if (kit_expect() == EXPECT_SHM)
		CHECK(has_event(trace, TRACE_SEND_SHM, ring->event[0].fd) &&
		      has_event(trace, TRACE_RECV_SHM, ring->event[0].fd));
}
