/* Descriptors: copied, closed, asked. The table follows what the kernel does. */
#include "conn.h"
#include "epoll.h"
#include "fdtab.h"
#include "kernel.h"
#include "log.h"
#include "process.h"
#include "promote.h"
#include "real.h"
#include "sockopt.h"
#include "stream.h"

#include <errno.h>
#include <linux/close_range.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* FD is about to be closed in the kernel. */
static void forget(int fd)
{
	struct conn *c = fdtab_conn(fd);
	struct epset *set = fdtab_epset(fd);

	if ((!c && !set) || !process_is_us())
		return;
	if (c)
		conn_close(c, fd);
	else
		epoll_close(set, fd);
}

/* FD is going where stdio, or a program that we will not see, reads and writes it. Also in a vfork child, whose number FD may
 * be another file by now: what it executes uses the connection without us, and its parent waits. */
static int leave(int fd, enum reason reason)
{
	struct conn *c = conn_get(fd);
	int error = 0;

	if (!c)
		return 0;
	if (process_is_us() || conn_is(c, fd))
		error = promote_return(c, reason);
	conn_put(c);
	return error;
}

/* FD has a number, NEW, which a program executed later will find open. A table of our own follows, and what is in it then is seen to
 * before the exec; of a vfork child's table we know nothing. */
static void duplicated(int fd, int new, bool closes_on_exec)
{
	if (!fdtab_word(fd))
		return;
	if (process_is_us())
		fdtab_copy(fd, new);
	if (new <= 2)
		leave(fd, REASON_STDIO);
	else if (!closes_on_exec && !process_is_us())
		leave(fd, REASON_RETURNED_PASSED);
}

EXPORT int close(int fd)
{
	if (__builtin_expect(own_fd_is(fd), 0)) {
		errno = EBADF;
		return -1;
	}
	if (fdtab_word(fd))
		forget(fd);
	return real.close(fd);
}

static void forget_range(unsigned int first, unsigned int last)
{
	for (unsigned int fd = first; fd <= last && (int)fd >= 0 && (int)fd <= fdtab_top(); fd++)
		forget((int)fd);
}

/* close_range around the descriptors that are ours. */
static int close_around(unsigned int first, unsigned int last, int flags)
{
	while (first <= last) {
		int own = first > INT32_MAX ? -1 : own_fd_next((int)first);
		unsigned int until = own >= 0 && (unsigned int)own <= last ? (unsigned int)own : last + 1;

		if (until > first || until == 0) {
			int result = real.close_range(first, until - 1, flags);

			if (result < 0)
				return result;
		}
		if (until == 0 || until > last)
			break;
		first = until + 1;
	}
	return 0;
}

EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	if (first > last || (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) || (flags & CLOSE_RANGE_CLOEXEC))
		return real.close_range(first, last, flags);
	forget_range(first, last);
	return close_around(first, last, flags);
}

EXPORT void closefrom(int first)
{
	unsigned int from = first < 0 ? 0 : (unsigned int)first;

	forget_range(from, ~0u);
	if (close_around(from, ~0u, 0) < 0)
		real.closefrom(first);
}

EXPORT int dup(int fd)
{
	int new = real.dup(fd);

	if (new >= 0)
		duplicated(fd, new, false);
	return new;
}

/* What dup2 and dup3 do to TARGET before the kernel does. 0 or -errno. */
static int replace(int fd, int target)
{
	int error = 0;

	if (own_fd_is(target) && fd != target)
		return -EBUSY;
	if (fd == target || kernel_fcntl(fd, F_GETFD, 0) < 0)
		return 0; /* the kernel says what is wrong */
	if (target >= 0 && target <= 2)
		error = leave(fd, REASON_STDIO);
	/* A forked child takes them along when it executes (inherit.h). */
	if (error == -EBUSY && !process_is_us())
		return error;
	if (error == -EBUSY)
		log_at(LOG_WARN,
		       "descriptor %d goes to %d while received bytes wait in shared memory: only this process reads "
		       "them",
		       fd, target);
	if (fdtab_word(target))
		forget(target);
	return 0;
}

EXPORT int dup2(int fd, int target)
{
	int error = replace(fd, target), new;

	if (error < 0)
		RETURN(error);
	new = real.dup2(fd, target);
	if (new >= 0 && fd != target)
		duplicated(fd, new, false);
	return new;
}

EXPORT int dup3(int fd, int target, int flags)
{
	int error = replace(fd, target), new;

	if (error < 0)
		RETURN(error);
	new = real.dup3(fd, target, flags);
	if (new >= 0)
		duplicated(fd, new, (flags & O_CLOEXEC) != 0);
	return new;
}

static void note_flags(int fd, int flags)
{
	if (flags & O_ASYNC)
		leave(fd, REASON_SOCKET_FEATURE);
	sockopt_nonblock(fd, flags & O_NONBLOCK);
}

static int control(int fd, int command, void *argument, int (*kernel)(int, int, void *))
{
	int result = kernel(fd, command, argument);

	if (result < 0 || !fdtab_word(fd))
		return result;
	if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
		duplicated(fd, result, command == F_DUPFD_CLOEXEC);
	else if (command == F_SETFD && !((intptr_t)argument & FD_CLOEXEC))
		duplicated(fd, fd, false);
	else if (command == F_SETFL)
		note_flags(fd, (int)(intptr_t)argument);
	return result;
}

EXPORT int fcntl(int fd, int command, ...)
{
	va_list args;
	void *argument;

	va_start(args, command);
	argument = va_arg(args, void *);
	va_end(args);
	return control(fd, command, argument, real.fcntl);
}

EXPORT int fcntl64(int fd, int command, ...)
{
	va_list args;
	void *argument;

	va_start(args, command);
	argument = va_arg(args, void *);
	va_end(args);
	return control(fd, command, argument, real.fcntl64);
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *argument;
	struct conn *c;
	int result;

	va_start(args, request);
	argument = va_arg(args, void *);
	va_end(args);
	if (fdtab_kind(fd) != FD_CONN)
		return real.ioctl(fd, request, argument);
	if ((request == FIONREAD || request == SIOCATMARK) && argument) {
		c = conn_get(fd);
		result = c ? stream_ioctl(c, request, argument) : -ENOTTY;
		if (c)
			conn_put(c);
		if (result == 0)
			return 0;
	}
	/* DIFFERS: SIOCOUTQ counts what TCP holds unacknowledged: nothing, once the ring has it. */
	result = real.ioctl(fd, request, argument);
	if (result == 0 && request == FIONBIO) {
		sockopt_nonblock(fd, *(int *)argument != 0);
	} else if (result == 0 && request == FIOASYNC && *(int *)argument) {
		leave(fd, REASON_SOCKET_FEATURE);
	} else if (result == 0 && request == FIONCLEX) {
		duplicated(fd, fd, false);
	}
	return result;
}

/* libc's own would ask the kernel, past us. */
EXPORT int sockatmark(int fd)
{
	int mark;

	return ioctl(fd, SIOCATMARK, &mark) < 0 ? -1 : mark;
}

/* Forks through our handlers; its dup2 onto stdio is libc's own. */
EXPORT int daemon(int keep_directory, int keep_stdio)
{
	int result = real.daemon(keep_directory, keep_stdio);

	for (int fd = 0; result == 0 && !keep_stdio && fd <= 2; fd++)
		if (fdtab_word(fd))
			forget(fd);
	return result;
}

EXPORT int fclose(FILE *file)
{
	int fd = file ? fileno(file) : -1;

	if (fd >= 0 && fdtab_word(fd)) {
		fflush(file);
		forget(fd);
	}
	return real.fclose(file);
}

/* A stream reads and writes with calls that nobody can stand in for. */
EXPORT FILE *fdopen(int fd, const char *mode)
{
	if (leave(fd, REASON_STDIO) == -EBUSY) {
		log_at(LOG_ERROR, "fdopen(%d): received bytes wait in shared memory, where stdio cannot read them", fd);
		errno = EBUSY;
		return NULL;
	}
	return real.fdopen(fd, mode);
}

static void before_reopen(FILE *file)
{
	int fd = file ? fileno(file) : -1;

	if (fd >= 0 && fdtab_word(fd)) {
		fflush(file);
		forget(fd);
	}
}

EXPORT FILE *freopen(const char *path, const char *mode, FILE *file)
{
	before_reopen(file);
	return real.freopen(path, mode, file);
}

EXPORT FILE *freopen64(const char *path, const char *mode, FILE *file)
{
	before_reopen(file);
	return real.freopen64(path, mode, file);
}

/* dprintf writes past us too, but it can be done with write. */
EXPORT int vdprintf(int fd, const char *format, va_list args)
{
	char *text;
	int size, done = 0;

	if (fdtab_kind(fd) != FD_CONN)
		return real.vdprintf(fd, format, args);
	size = vasprintf(&text, format, args);
	while (done < size) {
		ssize_t n = write(fd, text + done, (size_t)(size - done));

		if (n < 0) {
			size = -1;
			break;
		}
		done += (int)n;
	}
	if (size >= 0 || done > 0)
		free(text);
	return size;
}

EXPORT int __vdprintf_chk(int fd, int flag, const char *format, va_list args)
{
	return fdtab_kind(fd) == FD_CONN ? vdprintf(fd, format, args) : real.__vdprintf_chk(fd, flag, format, args);
}

EXPORT int dprintf(int fd, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vdprintf(fd, format, args);
	va_end(args);
	return n;
}

EXPORT int __dprintf_chk(int fd, int flag, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = __vdprintf_chk(fd, flag, format, args);
	va_end(args);
	return n;
}
