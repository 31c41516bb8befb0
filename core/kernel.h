/* The system calls of the engine, past every interposer; each returns a result or -errno. And our own descriptors. */
#ifndef RS_KERNEL_H
#define RS_KERNEL_H

#include "sys.h"

#include <linux/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

/* tcpi_state, where the headers give it no name. */
#define TCP_STATE_ESTABLISHED 1
#define TCP_STATE_TIME_WAIT 6
#define TCP_STATE_CLOSE 7
#define TCP_STATE_CLOSE_WAIT 8
#define TCP_STATE_LAST_ACK 9
#define TCP_STATE_CLOSING 11

static inline ssize_t kernel_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return sys_call3(SYS_recvmsg, fd, msg, flags);
}

static inline ssize_t kernel_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return sys_call3(SYS_sendmsg, fd, msg, flags);
}

static inline ssize_t kernel_sendto(int fd, const void *buf, size_t size, int flags, const void *addr,
				    socklen_t addrlen)
{
	return sys_call6(SYS_sendto, fd, (long)buf, (long)size, flags, (long)addr, addrlen);
}

static inline ssize_t kernel_recv(int fd, void *buf, size_t size, int flags)
{
	return sys_call6(SYS_recvfrom, fd, (long)buf, (long)size, flags, 0, 0);
}

static inline int kernel_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
	return (int)sys_call5(SYS_getsockopt, fd, level, name, value, size);
}

static inline int kernel_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	return (int)sys_call5(SYS_setsockopt, fd, level, name, value, size);
}

static inline int kernel_socket(int domain, int type, int protocol)
{
	return (int)sys_call3(SYS_socket, domain, type, protocol);
}

static inline int kernel_ioctl(int fd, unsigned long request, void *argument)
{
	return (int)sys_call3(SYS_ioctl, fd, request, argument);
}

static inline int kernel_fcntl(int fd, int command, long argument)
{
	return (int)sys_call3(SYS_fcntl, fd, command, argument);
}

static inline int kernel_epoll_ctl(int epfd, int op, int fd, void *event)
{
	return (int)sys_call4(SYS_epoll_ctl, epfd, op, fd, event);
}

static inline uint32_t kernel_getpid(void)
{
	return (uint32_t)sys_call0(SYS_getpid);
}

/* Whether PID, which can be signalled, is a process that has ended and was not waited for. False if the kernel does not tell. */
bool kernel_is_zombie(uint32_t pid);

/* Fills SIZE bytes; false when the kernel has no entropy to give (never after boot). */
bool kernel_random(void *buf, size_t size);

/* The zero-timeout poll of one descriptor: revents, or -errno. */
int kernel_poll_now(int fd, short events);

void kernel_sleep_ms(long ms);

/* ns of CLOCK_MONOTONIC and CLOCK_REALTIME. */
uint64_t clock_monotonic(void);
uint64_t clock_realtime(void);

/* A cheap clock that only goes forward on one CPU; its unit is not known. clock_ticks_us: ticks in a microsecond. */
static inline uint64_t clock_ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	uint64_t ticks;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks;
#endif
}
extern uint64_t clock_ticks_us;

/* Descriptors of ours: moved above the application's, close-on-exec. own_fd(fd) consumes FD and returns its new number (FD itself
 * when there is no room above). */
int own_fd(int fd);
/* FD is ours where it is. */
void own_fd_adopt(int fd);
void own_fd_close(int fd);
/* How many of one kind we may keep: MOST, but no more than a sixteenth of what the program may open; one at least. */
unsigned own_fds_max(unsigned most);
/* Whether FD is one of ours: the application's closes must not reach it. */
bool own_fd_is(int fd);
/* The next of our descriptors at or above FD, or -1. */
int own_fd_next(int fd);

/* A sealed memfd of SIZE bytes with extra SEALS, mapped shared. 0 or -errno; *FD is one of ours. -ENOMEM also where that would leave the
 * program less than half of a limited address space. */
int kernel_memory_new(const char *name, size_t size, int seals, int *fd, void **map);
/* Maps SIZE bytes of a peer's memfd after checking that it has at least the SEALS and SIZE. 0 or -errno. */
int kernel_memory_map(int fd, size_t size, int seals, int prot, void **map);
void kernel_unmap(void *map, size_t size);

/* The two calls that sleep and are cancellation points: libc's own, replaced by the preload with the real ones. */
struct epoll_event;
extern int (*kernel_ppoll)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
extern int (*kernel_epoll_pwait)(int, struct epoll_event *, int, int, const sigset_t *);
extern int (*kernel_epoll_pwait2)(int, struct epoll_event *, int, const struct timespec *, const sigset_t *);

/* CPUs that this process may run on; <= 0: not known yet. Spinning on one only keeps the other end from running. */
extern long spin_cpus;

/* Measures the clock and the machine; done when the first connection is promoted. */
void kernel_init(void);

#endif
