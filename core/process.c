/* The process and its forks. */
#include "process.h"
#include "bell.h"
#include "config.h"
#include "conn.h"
#include "dgram.h"
#include "epoll.h"
#include "far.h"
#include "fdtab.h"
#include "kernel.h"
#include "lock.h"
#include "log.h"
#include "stats.h"
#include "trace.h"

#include <errno.h>
#include <linux/memfd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static uint32_t pid;
static uint64_t name[2];
static struct process_mark no_mark = {1};
struct process_mark *process_mark = &no_mark;
bool process_exiting;
bool process_filtered;
bool process_moved;

uint32_t process_pid(void)
{
	return load_relaxed(&pid);
}

const uint64_t *process_name(void)
{
	return name;
}

bool process_is_us(void)
{
	return kernel_getpid() == process_pid();
}

void process_fork_prepare(void)
{
	far_fork_prepare();
	conn_fork_prepare();
	dgram_fork_prepare();
}

void process_fork_parent(int32_t child)
{
	dgram_fork_parent();
	conn_fork_parent(child);
	far_fork_parent();
}

void process_child_known(uint32_t child)
{
	critical_enter();
	conn_fork_settle(child);
	critical_exit();
}

/* Each process of the family has a lock on the byte of its pid in one file. Exec closes the file, which drops the lock. */
static int family = -1;

static void lock_own_byte(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = process_pid(), .l_len = 1};

	if (family >= 0)
		kernel_fcntl(family, F_SETLK, (long)&lock);
}

void process_watch_exec(void)
{
	family = own_fd((int)sys_call2(SYS_memfd_create, "rsocket-family", MFD_CLOEXEC));
	lock_own_byte();
}

bool process_gone(uint32_t other)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = other, .l_len = 1};

	if (sys_call2(SYS_kill, other, 0) == -ESRCH || kernel_is_zombie(other))
		return true;
	return family >= 0 && kernel_fcntl(family, F_GETLK, (long)&lock) == 0 && lock.l_type == F_UNLCK;
}

static void renew(void)
{
	store_relaxed(&pid, kernel_getpid());
	kernel_random(name, sizeof name);
	process_mark->alive = 1;
	/* Before anybody learns the new pid. */
	lock_own_byte();
}

void process_fork_child(void)
{
	renew();
	thread_forget_others();
	bell_forked();
	epoll_forked();
	dgram_forked(false);
	conn_fork_child();
	critical_exit(); /* of far_fork_prepare */
}

/* No handler ran before this fork: the locks may be anybody's, and the parent did not announce a new holder. */
void process_notice_fork(void)
{
	int depth = thread_self.critical;

	readiness_forked();
	fdtab_lock.word = 0;
	renew();
	thread_forget_others();
	bell_forked();
	epoll_forked();
	dgram_forked(true);
	conn_fork_prepare();
	conn_fork_child();
	thread_self.critical = depth;
}

static void end(bool running)
{
	/* A vfork child that could not execute ends in its parent's memory. */
	if (!process_is_us())
		return;
	store_relaxed(&process_exiting, true);
	conn_exit(running);
	dgram_exit();
}

void process_exit(void)
{
	end(true);
}

void process_end(void)
{
	end(false);
}

#define WARNED \
	"RSOCKET_WARNED" /* in the environment: this program's ancestor told already what is wrong with the settings */

static bool complained;

static void warn(const char *sentence)
{
	if (getenv(WARNED))
		return;
	log_at(LOG_WARN, "%s", sentence);
	complained = true;
}

static bool configured;

static void configure(void)
{
	settings_load(warn);
	if (complained)
		setenv(WARNED, "1", 1);
	stats_init();
	trace_init();
	configured = environ;
}

void process_configure(void)
{
	if (!configured)
		configure();
}

void process_init(void)
{
	void *mark = mmap(NULL, WIRE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mark != MAP_FAILED && madvise(mark, WIRE_PAGE, MADV_WIPEONFORK) == 0) {
		*(struct process_mark *)mark = no_mark;
		process_mark = mark;
	}
	renew();
	configure();
}
