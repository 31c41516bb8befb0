/* Processes: made, replaced, ended. */
#include "process.h"
#include "conn.h"
#include "fdtab.h"
#include "kernel.h"
#include "log.h"
#include "promote.h"
#include "real.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

extern char **environ;

EXPORT pid_t fork(void)
{
	/* pthread_atfork's handlers (real.c) do the rest; only here the child's pid is known. */
	pid_t child = real.fork();

	if (child > 0)
		process_child_known((uint32_t)child);
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

struct leaving {
	bool refused;
};

static void leave_before_exec(struct conn *c, void *arg)
{
	struct leaving *leaving = arg;
	bool inherited = false;

	for (int fd = 0; fd <= fdtab_top() && !inherited; fd++)
		inherited = fdtab_conn(fd) == c && !(kernel_fcntl(fd, F_GETFD, 0) & FD_CLOEXEC);
	/* What is to be executed cannot read our rings. */
	if (inherited && promote_return(c, REASON_RETURNED_PASSED) == -EBUSY && conn_sole_holder(c)) {
		log_at(LOG_ERROR, "exec: descriptor %d has received bytes in shared memory, which the new program could not read",
		       c->fd);
		leaving->refused = true;
	}
}

/* 0, or -EBUSY: executing now would lose bytes. */
static int before_exec(void)
{
	struct leaving leaving = {false};

	critical_enter();
	conn_each(leave_before_exec, &leaving);
	if (!leaving.refused && process_is_us())
		conn_exec(false);
	critical_exit();
	return leaving.refused ? -EBUSY : 0;
}

static void exec_failed(void)
{
	int saved = errno;

	if (process_is_us()) {
		critical_enter();
		conn_exec(true);
		critical_exit();
	}
	errno = saved;
}

#define EXEC(call)                                                                                                     \
	do {                                                                                                           \
		int error_ = before_exec();                                                                            \
		if (error_ < 0)                                                                                        \
			RETURN(error_);                                                                                \
		call;                                                                                                  \
		exec_failed();                                                                                         \
		return -1;                                                                                             \
	} while (0)

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	EXEC(real.execve(path, argv, envp));
}

EXPORT int execv(const char *path, char *const argv[])
{
	EXEC(real.execv(path, argv));
}

EXPORT int execvp(const char *file, char *const argv[])
{
	EXEC(real.execvp(file, argv));
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	EXEC(real.execvpe(file, argv, envp));
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	EXEC(real.fexecve(fd, argv, envp));
}

EXPORT int execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags)
{
	EXEC(real.execveat(dirfd, path, argv, envp, flags));
}

/* The list forms: the arguments stand on the stack; a vfork child has no other memory of its own. */
#define EXEC_LIST(first, envp_follows, call)                                                                           \
	do {                                                                                                           \
		va_list args_;                                                                                         \
		size_t count_ = 1;                                                                                     \
		char *const *envp = environ;                                                                           \
		va_start(args_, first);                                                                                \
		while (va_arg(args_, char *))                                                                          \
			count_++;                                                                                      \
		if (envp_follows)                                                                                      \
			envp = va_arg(args_, char *const *);                                                           \
		va_end(args_);                                                                                         \
		char *argv[count_ + 1];                                                                                \
		argv[0] = (char *)(uintptr_t)(first);                                                                  \
		va_start(args_, first);                                                                                \
		for (size_t i_ = 1; i_ <= count_; i_++)                                                                \
			argv[i_] = va_arg(args_, char *);                                                              \
		va_end(args_);                                                                                         \
		(void)envp;                                                                                            \
		return call;                                                                                           \
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
	process_exit();
	for (;;)
		sys_call1(SYS_exit_group, status);
}

EXPORT void _Exit(int status)
{
	_exit(status);
}
