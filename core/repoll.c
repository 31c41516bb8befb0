/* Waiting for rsockets and anything else. */
#include "cancel.h"
#include "dgram.h"
#include "epoll.h"
#include "iomap.h"
#include "kernel.h"
#include "placement.h"
#include "poll.h"
#include "rsocket.h"
#include "select.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

static bool timespec_bad(const struct timespec *t)
{
	return t && (t->tv_sec < 0 || t->tv_nsec < 0 || t->tv_nsec >= 1000000000);
}

static int64_t timespec_ns(const struct timespec *t)
{
	if (!t)
		return FOREVER;
	return t->tv_sec > INT64_MAX / 1000000000 - 1 ? INT64_MAX : t->tv_sec * 1000000000 + t->tv_nsec;
}

/* Looks for FD's peer, if it may have maps (iomap.h). Whether it is still to be found; *UNMET: or to be looked at again. */
static bool meet(int fd, bool *unmet)
{
	struct conn *c = fdtab_conn(fd);
	bool searching;

	if (!c || (!iomap_waits(c) && !load_relaxed(&c->iomap)))
		return false;
	iomap_meet(fd, POLLIN, true);
	c = conn_get(fd);
	if (!c)
		return false;
	searching = iomap_searching(c);
	iomap_met(c);
	*unmet |= iomap_unmet(c);
	conn_put(c);
	return searching;
}

static bool meet_these(const struct pollfd *fds, nfds_t count)
{
	bool searching = false, unmet = false;

	for (nfds_t i = 0; i < count; i++)
		searching |= meet(fds[i].fd, &unmet);
	return searching;
}

/* The same for all of the process: for waits that do not list them. */
static bool meet_all(void)
{
	static uint32_t quiet; /* as many searches had begun when the last walk found none under way */
	uint32_t begun = load_acquire(&rsocket_map_searches);
	bool searching = false, unmet = false;

	if (begun == load_relaxed(&quiet))
		return false;
	for (int fd = 0; fd <= fdtab_top(); fd++)
		searching |= meet(fd, &unmet);
	if (!unmet)
		store_relaxed(&quiet, begun);
	return searching;
}

#define MEET_NS 1000000

static int wait_once(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask);

int rsocket_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	const struct timespec slice = {0, MEET_NS};
	int64_t left = timespec_ns(timeout);
	struct rlimit limit;
	struct timespec rest;
	uint64_t start = 0;
	int n;

	cancel_point();
	if (timespec_bad(timeout) || (getrlimit(RLIMIT_NOFILE, &limit) == 0 && count > limit.rlim_cur))
		return -EINVAL;
	if (!fds || !meet_these(fds, count) || (left >= 0 && left < MEET_NS))
		return wait_once(fds, count, timeout, mask);
	start = clock_monotonic();
	do {
		n = wait_once(fds, count, &slice, mask);
		if (n != 0)
			return n;
		if (left != FOREVER && clock_monotonic() - start >= (uint64_t)left)
			return 0;
	} while (meet_these(fds, count));
	if (left == FOREVER)
		return wait_once(fds, count, NULL, mask);
	left -= (int64_t)(clock_monotonic() - start);
	if (left < 0)
		left = 0;
	rest = (struct timespec){left / 1000000000, left % 1000000000};
	return wait_once(fds, count, &rest, mask);
}

static int wait_once(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	if ((count && !fds) || (!poll_special(fds, count) && !placement_any())) {
		int n = kernel_ppoll(fds, count, timeout, mask);

		return n < 0 ? -errno : n;
	}
	return poll_wait(fds, count, timespec_ns(timeout), mask);
}

int rsocket_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000l};

	return rsocket_ppoll(fds, count, timeout_ms < 0 ? NULL : &timeout, NULL);
}

/* What is left of LEFT ns (or FOREVER) that began at START. */
static int64_t left_of(int64_t left, uint64_t start)
{
	int64_t spent = (int64_t)(clock_monotonic() - start);

	return left == FOREVER ? FOREVER : spent < left ? left - spent : 0;
}

static bool may_slice(int64_t left)
{
	return left == FOREVER || left >= MEET_NS;
}

/* select_wait, in slices while peers are looked for. */
static int select_meeting(int count, fd_set *in, fd_set *out, fd_set *except, int64_t ns)
{
	fd_set *sets[] = {in, out, except}, kept[3];
	/* The program's arrays may be shorter than fd_set. */
	const size_t size = ((size_t)count + 63) / 64 * 8;
	uint64_t start = clock_monotonic();
	int n = 0;

	while (count <= FD_SETSIZE && meet_all() && may_slice(left_of(ns, start))) {
		for (int i = 0; i < 3; i++)
			if (sets[i])
				memcpy(&kept[i], sets[i], size);
		n = select_wait(count, in, out, except, MEET_NS, NULL);
		if (n)
			return n;
		for (int i = 0; i < 3; i++)
			if (sets[i])
				memcpy(sets[i], &kept[i], size);
	}
	return select_wait(count, in, out, except, left_of(ns, start), NULL);
}

int rsocket_select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
	uint64_t start, spent;
	int64_t ns;
	int n;

	cancel_point();
	if (count < 0 || (timeout && (timeout->tv_sec < 0 || timeout->tv_usec < 0 || timeout->tv_usec >= 1000000)))
		return -EINVAL;
	if (!timeout)
		return select_meeting(count, in, out, except, FOREVER);
	ns = timeout->tv_sec > INT64_MAX / 1000000000 - 1 ? INT64_MAX
							  : timeout->tv_sec * 1000000000 + timeout->tv_usec * 1000;
	start = clock_monotonic();
	n = select_meeting(count, in, out, except, ns);
	/* Linux gives back what is left. */
	spent = clock_monotonic() - start;
	ns = spent < (uint64_t)ns ? ns - (int64_t)spent : 0;
	timeout->tv_sec = ns / 1000000000;
	timeout->tv_usec = ns % 1000000000 / 1000;
	return n;
}

int rsocket_epoll_create(int flags)
{
	int fd = (int)sys_call1(SYS_epoll_create1, flags);

	if (fd >= 0)
		epoll_new(fd);
	return fd;
}

int rsocket_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	struct epset *set = fdtab_epset(epfd);

	if (!set)
		return -EBADF;
	/* An epoll set sleeps where no announcement can be seen to. */
	if (op == EPOLL_CTL_ADD && dgram_is(fd))
		dgram_pin(fd);
	return epoll_control(set, epfd, op, fd, event);
}

int rsocket_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout_ms)
{
	struct epset *set = fdtab_epset(epfd);
	const int64_t ns = timeout_ms < 0 ? FOREVER : (int64_t)timeout_ms * 1000000;
	const uint64_t start = clock_monotonic();
	int n;

	cancel_point();
	if (!set)
		return -EBADF;
	while (meet_all() && may_slice(left_of(ns, start))) {
		n = epoll_wait_any(set, epfd, events, max, MEET_NS, NULL);
		if (n)
			return n;
	}
	return epoll_wait_any(set, epfd, events, max, left_of(ns, start), NULL);
}
