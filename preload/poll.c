/* Waiting for descriptors. */
#include "poll.h"
#include "epoll.h"
#include "fdtab.h"
#include "kernel.h"
#include "real.h"
#include "select.h"

#include <errno.h>
#include <stdint.h>
#include <sys/resource.h>

static int64_t timespec_ns(const struct timespec *t)
{
	if (!t)
		return FOREVER;
	return t->tv_sec > INT64_MAX / 1000000000 - 1 ? INT64_MAX : t->tv_sec * 1000000000 + t->tv_nsec;
}

static bool timespec_bad(const struct timespec *t)
{
	return t && (t->tv_sec < 0 || t->tv_nsec < 0 || t->tv_nsec >= 1000000000);
}

/* glibc's headers promise that poll only writes what it is given. */
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	struct rlimit limit;

	if (!fds || !poll_special(fds, count) || getrlimit(RLIMIT_NOFILE, &limit) < 0 || count > limit.rlim_cur)
		return real.poll(fds, count, timeout);
	cancellation_point();
	RETURN(poll_wait(fds, count, timeout < 0 ? FOREVER : (int64_t)timeout * 1000000, NULL));
}

EXPORT int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	struct rlimit limit;

	if (!fds || timespec_bad(timeout) || !poll_special(fds, count) || getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    count > limit.rlim_cur)
		return real.ppoll(fds, count, timeout, mask);
	cancellation_point();
	RETURN(poll_wait(fds, count, timespec_ns(timeout), mask));
}

EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room)
{
	return room / sizeof *fds < count ? real.__poll_chk(fds, count, timeout, room) : poll(fds, count, timeout);
}

EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
		       size_t room)
{
	return room / sizeof *fds < count ? real.__ppoll_chk(fds, count, timeout, mask, room)
					  : ppoll(fds, count, timeout, mask);
}

EXPORT int select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
	uint64_t start, spent;
	int64_t ns = FOREVER;
	int n;

	if (!select_special(count, in, out, except) ||
	    (timeout && (timeout->tv_sec < 0 || timeout->tv_usec < 0 || timeout->tv_usec >= 1000000)))
		return real.select(count, in, out, except, timeout);
	cancellation_point();
	if (!timeout)
		RETURN(select_wait(count, in, out, except, FOREVER, NULL));
	ns = timeout->tv_sec > INT64_MAX / 1000000000 - 1 ? INT64_MAX
							  : timeout->tv_sec * 1000000000 + timeout->tv_usec * 1000;
	start = clock_monotonic();
	n = select_wait(count, in, out, except, ns, NULL);
	/* Linux gives back what is left. */
	spent = clock_monotonic() - start;
	ns = spent < (uint64_t)ns ? ns - (int64_t)spent : 0;
	timeout->tv_sec = ns / 1000000000;
	timeout->tv_usec = ns % 1000000000 / 1000;
	RETURN(n);
}

EXPORT int pselect(int count, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,
		   const sigset_t *mask)
{
	if (timespec_bad(timeout) || !select_special(count, in, out, except))
		return real.pselect(count, in, out, except, timeout, mask);
	cancellation_point();
	RETURN(select_wait(count, in, out, except, timespec_ns(timeout), mask));
}

EXPORT int epoll_create(int size)
{
	int fd = real.epoll_create(size);

	if (fd >= 0)
		epoll_new(fd);
	return fd;
}

EXPORT int epoll_create1(int flags)
{
	int fd = real.epoll_create1(flags);

	if (fd >= 0)
		epoll_new(fd);
	return fd;
}

EXPORT int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	struct epset *set = fdtab_epset(epfd);

	if (!set)
		return real.epoll_ctl(epfd, op, fd, event);
	RETURN(epoll_control(set, epfd, op, fd, event));
}

EXPORT int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
	return epoll_pwait(epfd, events, max, timeout, NULL);
}

EXPORT int epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout, const sigset_t *mask)
{
	struct epset *set = fdtab_epset(epfd);

	if (!set)
		return real.epoll_pwait(epfd, events, max, timeout, mask);
	cancellation_point();
	RETURN(epoll_wait_any(set, epfd, events, max, timeout < 0 ? FOREVER : (int64_t)timeout * 1000000, mask));
}

EXPORT int epoll_pwait2(int epfd, struct epoll_event *events, int max, const struct timespec *timeout,
			const sigset_t *mask)
{
	struct epset *set = fdtab_epset(epfd);

	if (!set || timespec_bad(timeout))
		return real.epoll_pwait2(epfd, events, max, timeout, mask);
	cancellation_point();
	RETURN(epoll_wait_any(set, epfd, events, max, timespec_ns(timeout), mask));
}
