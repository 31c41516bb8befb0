/* select by poll. */
#include "select.h"
#include "fdtab.h"
#include "kernel.h"
#include "poll.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* The words of an fd_set that COUNT descriptors take; the program's array may be longer or shorter than fd_set. */
static bool in_set(const fd_set *set, int fd)
{
	return set && (((const unsigned long *)set)[fd / 64] >> (fd % 64) & 1);
}

static void put_in(fd_set *set, int fd)
{
	((unsigned long *)set)[fd / 64] |= 1ul << (fd % 64);
}

static void clear(fd_set *set, int count)
{
	if (set)
		memset(set, 0, (size_t)(count + 63) / 64 * 8);
}

/* How select asks and answers in poll's words, as the kernel defines it. */
#define SELECT_IN (POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR)
#define SELECT_OUT (POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR)

/* select by poll. FDS has room for COUNT entries. Bits set, or -errno; sets are written on success only. */
static int select_poll(int count, fd_set *in, fd_set *out, fd_set *except, int64_t timeout_ns, const sigset_t *mask,
		       struct pollfd *fds)
{
	nfds_t used = 0;
	int n, bits = 0;

	memset(fds, 0, (size_t)count * sizeof *fds);
	for (int fd = 0; fd < count; fd++) {
		short events = (in_set(in, fd) ? POLLIN : 0) | (in_set(out, fd) ? POLLOUT : 0) |
			       (in_set(except, fd) ? POLLPRI : 0);

		if (events)
			fds[used++] = (struct pollfd){.fd = fd, .events = events};
	}
	for (;;) {
		n = poll_wait(fds, used, timeout_ns, mask);
		if (n < 0)
			return n;
		bits = 0;
		for (nfds_t i = 0; i < used; i++) {
			if (fds[i].revents & POLLNVAL)
				return -EBADF;
			bits += (fds[i].events & POLLIN && fds[i].revents & SELECT_IN) +
				(fds[i].events & POLLOUT && fds[i].revents & SELECT_OUT) +
				(fds[i].events & POLLPRI && fds[i].revents & POLLPRI);
		}
		if (bits || n == 0)
			break;
		/* Something that select does not ask for, such as a hang-up of a descriptor watched for exceptions only: it
		 * would be reported again at once. Wait without it. */
		for (nfds_t i = 0; i < used; i++)
			if (fds[i].revents)
				fds[i].fd = -1 - fds[i].fd;
	}
	clear(in, count);
	clear(out, count);
	clear(except, count);
	for (nfds_t i = 0; i < used; i++) {
		if (fds[i].fd < 0)
			continue;
		if (fds[i].events & POLLIN && fds[i].revents & SELECT_IN)
			put_in(in, fds[i].fd);
		if (fds[i].events & POLLOUT && fds[i].revents & SELECT_OUT)
			put_in(out, fds[i].fd);
		if (fds[i].events & POLLPRI && fds[i].revents & POLLPRI)
			put_in(except, fds[i].fd);
	}
	return bits;
}

bool select_special(int count, const fd_set *in, const fd_set *out, const fd_set *except)
{
	if (count < 0)
		return false;
	for (int fd = 0; fd < count && fd <= fdtab_top(); fd++) {
		struct pollfd one = {.fd = fd};

		if (fdtab_word(fd) && (in_set(in, fd) || in_set(out, fd) || in_set(except, fd)) &&
		    poll_special(&one, 1))
			return true;
	}
	return false;
}

int select_wait(int count, fd_set *in, fd_set *out, fd_set *except, int64_t timeout_ns, const sigset_t *mask)
{
	struct pollfd local[FD_SETSIZE], *fds = local;

	int n;

	if (count > FD_SETSIZE) {
		size_t size = (size_t)count * sizeof *fds;

		fds = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (fds == MAP_FAILED)
			return -ENOMEM;
		n = select_poll(count, in, out, except, timeout_ns, mask, fds);
		kernel_unmap(fds, size);
		return n;
	}
	return select_poll(count, in, out, except, timeout_ns, mask, fds);
}
