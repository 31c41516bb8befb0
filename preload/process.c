/* Processes: made, replaced, ended. */
#include "process.h"
#include "bell.h"
#include "conn.h"
#include "fdtab.h"
#include "inherit.h"
#include "kernel.h"
#include "log.h"
#include "promote.h"
#include "real.h"

#include <errno.h>
#include <linux/nsfs.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

extern char **environ;

EXPORT pid_t fork(void)
{
	/* pthread_atfork's handlers (real.c) do the rest; only here the child's pid is known. */
	pid_t child = real.fork();

	/* There is none, or this is its pid. */
	if (child)
		process_child_known(child < 0 ? 0 : (uint32_t)child);
	return child;
}

EXPORT pid_t _Fork(void)
{
	pid_t child;

	process_fork_prepare();
	child = real._Fork();
	if (child == 0)
		process_fork_child();
	else
		process_fork_parent(child < 0 ? -1 : child);
	return child;
}

/* --- exec --- */

#define SETTLE_MS 1000

/* What an exec takes along. */
struct leaving {
	char inherit[INHERIT_SIZE]; /* "": nothing */
	int error;
};

static void leave_before_exec(struct conn *c, void *arg)
{
	struct leaving *leaving = arg;
	bool inherited = false;

	for (int fd = 0; fd <= fdtab_top() && !inherited; fd++)
		inherited = fdtab_conn(fd) == c && !(kernel_fcntl(fd, F_GETFD, 0) & FD_CLOEXEC);
	/* What is to be executed cannot use our rings. Unread bytes of a connection that another process holds too are that one's;
	 * a parent that forked us for this connection is about to close its copy, so it is given a moment. */
	if (!inherited || leaving->error || promote_return(c, REASON_RETURNED_PASSED) != -EBUSY)
		return;
	for (int i = 0; i < SETTLE_MS && !conn_sole_holder(c); i++)
		kernel_sleep_ms(1);
	if (conn_sole_holder(c))
		leaving->error = inherit_pack(c, leaving->inherit);
}

/* What CHILD, or a vfork child that is about to execute, finds open and may use by its number. It runs beside us: unread bytes that nobody
 * sends again stay where they are. */
static void leave_for_child(struct conn *c, void *unused)
{
	(void)unused;
	if (!load_acquire(&c->attached))
		return;
	for (int fd = 0; fd <= fdtab_top(); fd++) {
		int flags = fdtab_conn(fd) == c ? kernel_fcntl(fd, F_GETFD, 0) : -EBADF;

		if (flags < 0 || (flags & FD_CLOEXEC) || !conn_is(c, fd))
			continue;
		if (promote_return(c, REASON_RETURNED_PASSED) == -EBUSY)
			log_at(LOG_WARN,
			       "descriptor %d goes to another program while received bytes wait in shared memory: only "
			       "this process reads them",
			       fd);
		return;
	}
}

static bool preloaded(char *const envp[])
{
	for (; envp && *envp; envp++)
		if (strncmp(*envp, "LD_PRELOAD=", 11) == 0 && strstr(*envp, "librspreload"))
			return true;
	return false;
}

/* 0 or -errno: executing now would lose bytes. */
static int before_exec(struct leaving *leaving, char *const envp[])
{
	leaving->inherit[0] = 0;
	leaving->error = 0;
	critical_enter();
	if (process_is_us()) {
		conn_each(leave_before_exec, leaving);
		if (leaving->inherit[0] && !preloaded(envp)) {
			log_at(LOG_ERROR,
			       "exec: a connection has received bytes in shared memory, which a program without "
			       "librspreload.so could not read");
			inherit_undo(leaving->inherit);
			leaving->error = -EBUSY;
		}
		if (!leaving->error)
			conn_exec(false);
	} else {
		conn_each(leave_for_child, NULL);
	}
	critical_exit();
	return leaving->error;
}

static void exec_failed(const struct leaving *leaving)
{
	int saved = errno;

	if (process_is_us()) {
		critical_enter();
		conn_exec(true);
		inherit_undo(leaving->inherit);
		critical_exit();
	}
	errno = saved;
}

/* CALL executes with the environment `env`: ENVP, and one more variable if bytes go along. On the stack: a vfork child has no
 * other memory of its own. */
#define EXEC(envp, call)                                                                                    \
	do {                                                                                                \
		struct leaving leaving_;                                                                    \
		char variable_[sizeof INHERIT_VARIABLE + INHERIT_SIZE];                                     \
		size_t count_ = 0;                                                                          \
		int error_ = before_exec(&leaving_, envp);                                                  \
		if (error_ < 0)                                                                             \
			RETURN(error_);                                                                     \
		while ((envp) && (envp)[count_])                                                            \
			count_++;                                                                           \
		char *extended_[count_ + 2];                                                                \
		char *const *env = envp;                                                                    \
		if (leaving_.inherit[0]) {                                                                  \
			snprintf(variable_, sizeof variable_, "%s=%s", INHERIT_VARIABLE, leaving_.inherit); \
			memcpy(extended_, envp, count_ * sizeof *extended_);                                \
			extended_[count_] = variable_;                                                      \
			extended_[count_ + 1] = NULL;                                                       \
			env = extended_;                                                                    \
		}                                                                                           \
		call;                                                                                       \
		exec_failed(&leaving_);                                                                     \
		return -1;                                                                                  \
	} while (0)

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	EXEC(envp, real.execve(path, argv, env));
}

EXPORT int execv(const char *path, char *const argv[])
{
	EXEC(environ, real.execve(path, argv, env));
}

EXPORT int execvp(const char *file, char *const argv[])
{
	EXEC(environ, real.execvpe(file, argv, env));
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	EXEC(envp, real.execvpe(file, argv, env));
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	EXEC(envp, real.fexecve(fd, argv, env));
}

EXPORT int execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags)
{
	EXEC(envp, real.execveat(dirfd, path, argv, env, flags));
}

/* The list forms. */
#define EXEC_LIST(first, envp_follows, call)                 \
	do {                                                 \
		va_list args_;                               \
		size_t count_ = 1;                           \
		char *const *envp = environ;                 \
		va_start(args_, first);                      \
		while (va_arg(args_, char *))                \
			count_++;                            \
		if (envp_follows)                            \
			envp = va_arg(args_, char *const *); \
		va_end(args_);                               \
		char *argv[count_ + 1];                      \
		argv[0] = (char *)(uintptr_t)(first);        \
		va_start(args_, first);                      \
		for (size_t i_ = 1; i_ <= count_; i_++)      \
			argv[i_] = va_arg(args_, char *);    \
		va_end(args_);                               \
		(void)envp;                                  \
		return call;                                 \
	} while (0)

EXPORT int execl(const char *path, const char *arg, ...)
{
	EXEC_LIST(arg, false, execv(path, argv));
}

EXPORT int execlp(const char *file, const char *arg, ...)
{
	EXEC_LIST(arg, false, execvp(file, argv));
}

EXPORT int execle(const char *path, const char *arg, ...)
{
	EXEC_LIST(arg, true, execve(path, argv, envp));
}

static void before_spawn(void)
{
	critical_enter();
	conn_each(leave_for_child, NULL);
	critical_exit();
}

/* Those of system() and popen() do not come by here: what they leave open is not meant for anybody. */
EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	before_spawn();
	return real.posix_spawn(pid, path, actions, attributes, argv, envp);
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	before_spawn();
	return real.posix_spawnp(pid, file, actions, attributes, argv, envp);
}

/* The spawned child duplicates inside libc: what it gets must be on TCP by then. */
EXPORT int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int fd, int target)
{
	struct conn *c = conn_get(fd);

	if (c) {
		int error = promote_return(c, REASON_RETURNED_PASSED);

		conn_put(c);
		if (error < 0)
			return -error;
	}
	return real.posix_spawn_file_actions_adddup2(actions, fd, target);
}

/* --- filters --- */

static void leave_for_filter(struct conn *c, void *unused)
{
	(void)unused;
	promote_return(c, REASON_SECCOMP);
}

/* A filter that knows the program's calls, not ours, is about to be installed. */
void process_before_filter(void)
{
	critical_enter();
	store_relaxed(&process_filtered, true);
	conn_each(leave_for_filter, NULL);
	critical_exit();
}

/* --- network namespaces --- */

static void leave_for_namespace(struct conn *c, void *unused)
{
	(void)unused;
	promote_return(c, REASON_NAMESPACE);
}

/* Sockets stay where they were made, but what threads sleep on is made when they first sleep, and its name must be one for both ends. Who has
 * made none, and goes as a whole, begins anew there. */
static void left_network(void)
{
	critical_enter();
	if (bell_any() || !__libc_single_threaded)
		store_relaxed(&process_moved, true);
	conn_each(leave_for_namespace, NULL);
	critical_exit();
}

EXPORT int unshare(int flags)
{
	int result = real.unshare(flags);

	if (result == 0 && (flags & CLONE_NEWNET))
		left_network();
	return result;
}

EXPORT int setns(int fd, int type)
{
	int result = real.setns(fd, type);

	/* Type 0: whatever FD is. */
	if (result == 0 &&
	    ((type & CLONE_NEWNET) || (type == 0 && kernel_ioctl(fd, NS_GET_NSTYPE, NULL) == CLONE_NEWNET)))
		left_network();
	return result;
}

EXPORT int prctl(int option, ...)
{
	unsigned long a, b, c, d;
	va_list args;

	va_start(args, option);
	a = va_arg(args, unsigned long);
	b = va_arg(args, unsigned long);
	c = va_arg(args, unsigned long);
	d = va_arg(args, unsigned long);
	va_end(args);
	if (option == PR_SET_SECCOMP)
		process_before_filter();
	return real.prctl(option, a, b, c, d);
}

/* --- the end --- */

EXPORT void _exit(int status)
{
	process_end();
	for (;;)
		sys_call1(SYS_exit_group, status);
}

EXPORT void _Exit(int status)
{
	_exit(status);
}
