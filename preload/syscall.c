/* syscall(2): libc's way around libc. The numbers that touch sockets go through the same functions as the calls they mean;
 * all others straight to the kernel. */
#include "config.h"
#include "kernel.h"
#include "log.h"
#include "process.h"
#include "real.h"
#include "select.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

void process_before_filter(void);

/* pselect's own number takes its mask with a size, and gives back the time that is left. */
struct sized_mask {
	const sigset_t *mask;
	size_t size;
};

static int pselect6(int count, fd_set *in, fd_set *out, fd_set *except, struct timespec *timeout,
		    const struct sized_mask *mask)
{
	struct timespec given;
	uint64_t start;
	int64_t left;
	int n;

	if (!select_special(count, in, out, except)) {
		n = (int)sys_call6(SYS_pselect6, count, (long)in, (long)out, (long)except, (long)timeout, (long)mask);
		RETURN(n);
	}
	if (timeout)
		given = *timeout;
	start = clock_monotonic();
	n = pselect(count, in, out, except, timeout ? &given : NULL, mask ? mask->mask : NULL);
	if (timeout && timeout->tv_sec < INT64_MAX / 1000000000 - 1) {
		left = timeout->tv_sec * 1000000000 + timeout->tv_nsec - (int64_t)(clock_monotonic() - start);
		if (left < 0)
			left = 0;
		*timeout = (struct timespec){left / 1000000000, left % 1000000000};
	}
	return n;
}

/* Six arguments are read whatever the number takes, the last of them from the caller's stack. */
__attribute__((no_sanitize_address)) EXPORT long syscall(long number, ...)
{
	long a, b, c, d, e, f, result;
	va_list args;

	va_start(args, number);
	a = va_arg(args, long);
	b = va_arg(args, long);
	c = va_arg(args, long);
	d = va_arg(args, long);
	e = va_arg(args, long);
	f = va_arg(args, long);
	va_end(args);
	switch (number) {
	case SYS_read:
		return read((int)a, (void *)b, (size_t)c);
	case SYS_write:
		return write((int)a, (void *)b, (size_t)c);
	case SYS_readv:
		return readv((int)a, (void *)b, (int)c);
	case SYS_writev:
		return writev((int)a, (void *)b, (int)c);
	case SYS_preadv2: /* the offset's upper half is a word of its own, and empty */
		return preadv2((int)a, (void *)b, (int)c, (off_t)d, (int)f);
	case SYS_pwritev2:
		return pwritev2((int)a, (void *)b, (int)c, (off_t)d, (int)f);
	case SYS_recvfrom:
		return recvfrom((int)a, (void *)b, (size_t)c, (int)d, (void *)e, (void *)f);
	case SYS_sendto:
		return sendto((int)a, (void *)b, (size_t)c, (int)d, (void *)e, (socklen_t)f);
	case SYS_recvmsg:
		return recvmsg((int)a, (void *)b, (int)c);
	case SYS_sendmsg:
		return sendmsg((int)a, (void *)b, (int)c);
	case SYS_recvmmsg:
		return recvmmsg((int)a, (void *)b, (unsigned int)c, (int)d, (void *)e);
	case SYS_sendmmsg:
		return sendmmsg((int)a, (void *)b, (unsigned int)c, (int)d);
	case SYS_sendfile:
		return sendfile((int)a, (int)b, (void *)c, (size_t)d);
	case SYS_splice:
		return splice((int)a, (void *)b, (int)c, (void *)d, (size_t)e, (unsigned int)f);
	case SYS_socket:
		return socket((int)a, (int)b, (int)c);
	case SYS_listen:
		return listen((int)a, (int)b);
	case SYS_connect:
		return connect((int)a, (void *)b, (socklen_t)c);
#ifdef SYS_accept
	case SYS_accept:
		return accept((int)a, (void *)b, (void *)c);
#endif
	case SYS_accept4:
		return accept4((int)a, (void *)b, (void *)c, (int)d);
	case SYS_shutdown:
		return shutdown((int)a, (int)b);
	case SYS_getsockopt:
		return getsockopt((int)a, (int)b, (int)c, (void *)d, (void *)e);
	case SYS_setsockopt:
		return setsockopt((int)a, (int)b, (int)c, (void *)d, (socklen_t)e);
	case SYS_close:
		return close((int)a);
	case SYS_close_range:
		return close_range((unsigned int)a, (unsigned int)b, (int)c);
	case SYS_dup:
		return dup((int)a);
#ifdef SYS_dup2
	case SYS_dup2:
		return dup2((int)a, (int)b);
#endif
	case SYS_dup3:
		return dup3((int)a, (int)b, (int)c);
	case SYS_fcntl:
		return fcntl((int)a, (int)b, c);
	case SYS_ioctl:
		return ioctl((int)a, (unsigned long)b, c);
#ifdef SYS_poll
	case SYS_poll:
		return poll((void *)a, (nfds_t)b, (int)c);
#endif
	case SYS_ppoll:
		return ppoll((void *)a, (nfds_t)b, (void *)c, (void *)d);
#ifdef SYS_select
	case SYS_select:
		return select((int)a, (void *)b, (void *)c, (void *)d, (void *)e);
#endif
	case SYS_pselect6:
		return pselect6((int)a, (void *)b, (void *)c, (void *)d, (void *)e, (void *)f);
#ifdef SYS_epoll_create
	case SYS_epoll_create:
		return epoll_create((int)a);
#endif
	case SYS_epoll_create1:
		return epoll_create1((int)a);
	case SYS_epoll_ctl:
		return epoll_ctl((int)a, (int)b, (int)c, (void *)d);
#ifdef SYS_epoll_wait
	case SYS_epoll_wait:
		return epoll_wait((int)a, (void *)b, (int)c, (int)d);
#endif
	case SYS_epoll_pwait:
		return epoll_pwait((int)a, (void *)b, (int)c, (int)d, (void *)e);
	case SYS_epoll_pwait2:
		return epoll_pwait2((int)a, (void *)b, (int)c, (void *)d, (void *)e);
	case SYS_execve:
		return execve((void *)a, (void *)b, (void *)c);
	case SYS_execveat:
		return execveat((int)a, (void *)b, (void *)c, (void *)d, (int)e);
	case SYS_unshare:
		return unshare((int)a);
	case SYS_setns:
		return setns((int)a, (int)b);
	case SYS_exit_group:
		_exit((int)a);
	case SYS_io_uring_setup:
		/* Rings of the kernel's own would read and write past us. Programs fall back to what they did before. */
		if (!settings()->io_uring) {
			errno = ENOSYS;
			return -1;
		}
		break;
	case SYS_seccomp:
		if (a == SECCOMP_SET_MODE_FILTER || a == SECCOMP_SET_MODE_STRICT)
			process_before_filter();
		break;
	case SYS_prctl:
		if (a == PR_SET_SECCOMP)
			process_before_filter();
		break;
	}
	result = sys_call6(number, a, b, c, d, e, f);
	RETURN(result);
}
